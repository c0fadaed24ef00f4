//! `devices`, and the invitations by which they join.

use axum::extract::State;
use axum::response::Response;
use serde_json::json;

use super::Body;
use crate::http::answer;
use crate::http::auth::{Access, Identity};
use crate::http::body::IdempotencyKey;
use crate::http::limits::{ADDRESSES_MAX, INVITATION_MS_DEFAULT, INVITATION_MS_MAX};
use crate::http::openapi::{Operation, RequestBody, WRITES, kinds};
use crate::http::parameters::{InPath, Parameters};
use crate::http::problem::{ApiError, Expected};
use crate::http::routes::Routes;
use crate::http::state::ApiState;
use crate::membership::{ReadScope, Role};
use crate::replica::{Answer, ClosingView, Command, DeviceView, InvitationView, Page, Query};

/// The roles that an invitation can give: the founder's is not among them.
const ROLES: [(&str, Role); 4] =
    [("device", Role::Device), ("manager", Role::Manager), ("relay", Role::Relay), ("auditor", Role::Auditor)];

/// What an invitation lets a device read.
const READS: [(&str, ReadScope); 2] = [("own", ReadScope::Own), ("all", ReadScope::All)];

pub(super) fn add(routes: Routes) -> Routes {
    routes
        .get(
            "/api/v1/devices",
            Access::Read,
            Operation::new("Les appareils du réseau.", "The network's devices.").shows::<Page<DeviceView>>(),
            list,
        )
        .patch("/api/v1/devices/{id}", Access::Owner, renames(), rename)
        .delete(
            "/api/v1/devices/{id}",
            Access::Owner,
            Operation::new("Révoquer un appareil.", "Revokes a device.")
                .keyed()
                .shows::<DeviceView>()
                .refuses(WRITES)
                .refuses(&["unknown_device", "nothing_to_change"]),
            revoke,
        )
        .post("/api/v1/devices/{id}/closing", Access::Owner, closes(), close)
        .post("/api/v1/invitations", Access::Owner, invites(), invite)
}

fn renames() -> Operation {
    let body =
        RequestBody::new().needs("name", kinds::text("What people call it.")).example(json!({ "name": "caisse-2" }));
    Operation::new("Renommer un appareil.", "Renames a device.")
        .body(body)
        .keyed()
        .shows::<DeviceView>()
        .refuses(WRITES)
        .refuses(&["unknown_device", "nothing_to_change"])
}

fn closes() -> Operation {
    let body = RequestBody::new()
        .may("successor", kinds::text("Who takes over what it held; else the closing device."))
        .may("insist", kinds::boolean("Close although a device has not said how far it holds the log."))
        .example(json!({ "successor": "caisse-2" }));
    Operation::new("Clore un appareil perdu.", "Closes a lost device.")
        .body(body)
        .keyed()
        .shows::<ClosingView>()
        .refuses(WRITES)
        .refuses(&["unknown_device", "device_never_met", "not_keeper", "nothing_to_close", "cannot_succeed"])
}

fn invites() -> Operation {
    let body = RequestBody::new()
        .may("shop_id", kinds::shop("The joiner's shop; else this device's."))
        .may("new_shop", kinds::text("The name of a shop that is founded with it."))
        .may("role", kinds::words(&ROLES))
        .may("read", kinds::words(&READS))
        .may("expires", kinds::duration("How long it holds, 31 days at most; else 15m."))
        .may(
            "addresses",
            json!({ "type": "array", "items": { "type": "string" }, "minItems": 1, "maxItems": ADDRESSES_MAX,
                "description": "Multiaddrs at which this node is reached; else its own." }),
        )
        .example(json!({ "role": "device", "expires": "15m" }));
    Operation::new("Inviter un appareil ; montré une seule fois.", "Invites a device; shown once.")
        .body(body)
        .keyed()
        .creates::<InvitationView>()
        .refuses(WRITES)
        .refuses(&["unknown_shop", "shop_exists"])
}

async fn list(State(state): State<ApiState>, identity: Identity, parameters: Parameters) -> Result<Response, ApiError> {
    parameters.finish()?;
    match state.node().query(Query::Devices).await? {
        Answer::Devices(mut page) => {
            page.items.retain(|device| identity.may_see(device.shop_id));
            answer::json(&page)
        }
        _ => Err(ApiError::Internal),
    }
}

/// `{"name"}`
async fn rename(
    State(state): State<ApiState>,
    InPath(device): InPath<String>,
    key: IdempotencyKey,
    body: Body,
) -> Result<Response, ApiError> {
    let fields = body.fields()?;
    let name = fields.required_text("name")?;
    fields.finish()?;
    answer::shown(&state.node().command(Command::RenameDevice { device, name }, key.0).await?)
}

async fn revoke(
    State(state): State<ApiState>,
    InPath(device): InPath<String>,
    key: IdempotencyKey,
) -> Result<Response, ApiError> {
    answer::shown(&state.node().command(Command::RevokeDevice { device }, key.0).await?)
}

/// `{"successor"?, "insist"?}`
async fn close(
    State(state): State<ApiState>,
    InPath(device): InPath<String>,
    key: IdempotencyKey,
    body: Body,
) -> Result<Response, ApiError> {
    let fields = body.fields()?;
    let successor = fields.text("successor")?;
    let insist = fields.boolean("insist")?.unwrap_or(false);
    fields.finish()?;
    answer::shown(&state.node().command(Command::CloseDevice { device, successor, insist }, key.0).await?)
}

/// `{"shop_id"?, "new_shop"?, "role"?, "read"?, "expires"?, "addresses"?}`
///
/// Where the joiner will stand is `/api/v1/devices`; the invitation itself is shown once and stands nowhere.
async fn invite(State(state): State<ApiState>, key: IdempotencyKey, body: Body) -> Result<Response, ApiError> {
    let fields = body.fields()?;
    let role = fields.word("role", &ROLES)?.unwrap_or(Role::Device);
    // A relay that reads one shop only could not carry the others' entries.
    let usual = if role == Role::Relay { ReadScope::All } else { ReadScope::Own };
    let addresses = match fields.list("addresses", ADDRESSES_MAX)? {
        None => (state.settings().addresses)().into_iter().take(ADDRESSES_MAX).collect(),
        Some(items) => {
            let texts = items.into_iter().map(|item| serde_json::from_str(item.get()));
            texts.collect::<Result<Vec<String>, _>>().map_err(|_| ApiError::field("addresses", Expected::Text))?
        }
    };
    let command = Command::Invite {
        shop: fields.shop("shop_id")?,
        new_shop: fields.text("new_shop")?,
        role,
        read: fields.word("read", &READS)?.unwrap_or(usual),
        expires_in_ms: fields.duration_ms("expires", INVITATION_MS_MAX)?.unwrap_or(INVITATION_MS_DEFAULT),
        addresses,
    };
    fields.finish()?;
    let answer = state.node().command(command, key.0).await?;
    answer::created(answer::shown(&answer)?, &["devices"])
}
