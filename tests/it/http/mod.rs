//! The HTTP face before a small fake engine: no sockets, no sleeps.

mod answers;
mod auth;
mod described;
mod events;
mod fake;
mod forms;
mod refusals;
mod shares;
mod sockets;
