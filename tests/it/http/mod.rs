//! The HTTP face before a small fake engine: no sockets, no sleeps.

mod answers;
mod auth;
mod conflicts;
mod cors;
mod described;
mod events;
mod existing;
mod fake;
mod forms;
mod health;
mod refusals;
mod shares;
mod sockets;
mod tls;
