//! The node itself: `status`, `peers`, `sync`, `verification`.

use axum::extract::State;
use axum::response::Response;

use crate::http::answer;
use crate::http::auth::{Access, Identity};
use crate::http::body::IdempotencyKey;
use crate::http::openapi::Operation;
use crate::http::parameters::Parameters;
use crate::http::problem::ApiError;
use crate::http::routes::Routes;
use crate::http::state::ApiState;
use crate::node::SyncReport;
use crate::replica::{Command, Page, PeerView, Query, StatusView, VerifyView};

pub(super) fn add(routes: Routes) -> Routes {
    routes
        .get(
            "/api/v1/status",
            Access::Read,
            Operation::new("Le nœud en un coup d'œil.", "The node at a glance.").shows::<StatusView>(),
            status,
        )
        .get(
            "/api/v1/peers",
            Access::Read,
            Operation::new("Les appareils rencontrés.", "Devices that were met.").shows::<Page<PeerView>>(),
            peers,
        )
        .post(
            "/api/v1/sync",
            Access::Write,
            Operation::new("Comparer maintenant avec tous les voisins.", "Compares with every peer now.")
                .keyed()
                .shows::<SyncReport>(),
            sync,
        )
        .long_post(
            "/api/v1/verification",
            Access::Owner,
            Operation::new(
                "Revérifier signatures, chaînes et soldes.",
                "Checks every signature, chain and balance again.",
            )
            .keyed()
            .shows::<VerifyView>(),
            verify,
        )
        .long_post(
            "/api/v1/repair",
            Access::Owner,
            Operation::new(
                "Refaire ce qui se déduit des écritures, puis revérifier.",
                "Derives anew what is derived from the entries, then verifies.",
            )
            .keyed()
            .shows::<VerifyView>(),
            repair,
        )
}

/// The status, without what it says of shops that a token does not hold for.
async fn narrowed_status(state: &ApiState, identity: &Identity) -> Result<StatusView, ApiError> {
    let mut status = state.status().await?;
    status.peers.retain(|peer| peer.shop_id.is_none_or(|shop| identity.may_see(shop)));
    status.shop_digests.retain(|shop, _| identity.may_see(*shop));
    status.shop_newest.retain(|shop, _| identity.may_see(*shop));
    Ok(status)
}

async fn status(
    State(state): State<ApiState>,
    identity: Identity,
    parameters: Parameters,
) -> Result<Response, ApiError> {
    parameters.finish()?;
    answer::json(&narrowed_status(&state, &identity).await?)
}

async fn peers(
    State(state): State<ApiState>,
    identity: Identity,
    parameters: Parameters,
) -> Result<Response, ApiError> {
    parameters.finish()?;
    answer::json(&Page::whole(narrowed_status(&state, &identity).await?.peers))
}

async fn sync(State(state): State<ApiState>, _: IdempotencyKey) -> Result<Response, ApiError> {
    answer::json(&state.node().sync().await?)
}

async fn verify(State(state): State<ApiState>, _: IdempotencyKey) -> Result<Response, ApiError> {
    answer::shown(&state.node().query(Query::Verify).await?)
}

/// Derives anew what is derived, then verifies.
async fn repair(State(state): State<ApiState>, _: IdempotencyKey) -> Result<Response, ApiError> {
    state.node().command(Command::Repair, None).await?;
    answer::shown(&state.node().query(Query::Verify).await?)
}
