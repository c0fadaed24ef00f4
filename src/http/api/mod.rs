//! The routes, one file a family. A handler reads its request, asks the node, and writes out the answer; whose
//! data a token may touch is decided by `scope`, everything else by the rules behind the node.

mod backups;
mod conflicts;
mod credits;
mod devices;
mod events;
mod exports;
mod health;
mod imports;
mod logs;
mod movements;
mod node;
mod payments;
mod scope;
mod shares;
mod shops;
mod sims;
mod tokens;

use super::auth::Identity;
use super::limits::BODY_BYTES_MAX;
use super::problem::ApiError;
use super::routes::Routes;
use super::state::ApiState;

/// A body of the usual size.
type Body = super::body::JsonText<BODY_BYTES_MAX>;

/// Every route of this node.
pub(super) fn routes(state: ApiState) -> Routes {
    let routes = health::add(node::add(Routes::new(state)));
    let routes = devices::add(shops::add(routes));
    let routes = movements::add(shares::add(sims::add(routes)));
    let routes = conflicts::add(payments::add(credits::add(routes)));
    let routes = backups::add(exports::add(imports::add(events::add(routes))));
    tokens::add(logs::add(routes))
}

/// Reads `{"reason", "agent"?}`: what every taking back asks for.
fn why_and_who(body: &Body, identity: &Identity) -> Result<(String, Option<String>), ApiError> {
    let fields = body.fields()?;
    let why = fields.required_text("reason")?;
    let agent = identity.agent(fields.text("agent")?);
    fields.finish()?;
    Ok((why, agent))
}
