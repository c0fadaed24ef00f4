//! Real nodes for the examples that measure many of them: how each runs, how it joins, and what it grants.

use std::path::Path;
use std::time::Duration;

use ucash::membership::{Invitation, ReadScope, Role};
use ucash::model::{Beneficiary, BeneficiaryKind, Reference, ShopId, SimNumber};
use ucash::money::{Amount, Currency};
use ucash::node::net::Multiaddr;
use ucash::node::{self, JoinOptions, Online, RunOptions};
use ucash::replica::{Answer, Command, GrantRequest};

/// Whatever goes wrong: said, and the end.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// Runs on this machine alone, and knows these peers.
pub fn options(listen: Multiaddr, peers: Vec<Multiaddr>, sync_every: Duration) -> Result<RunOptions, Error> {
    Ok(RunOptions {
        http: "127.0.0.1:0".parse()?,
        socket: None,
        tls: false,
        public: Vec::new(),
        relay: None,
        listen: vec![listen],
        peers,
        mdns: false,
        sync_every,
        return_after: Duration::from_secs(86_400),
    })
}

/// A device joins the office's network, in that shop or in the office's own. It knows nobody then, not even
/// its inviter.
pub async fn join(
    office: &Online,
    directory: &Path,
    name: String,
    shop: Option<ShopId>,
    role: Role,
    read: ReadScope,
) -> Result<(), Error> {
    let addresses = office.listen.clone();
    let invite = Command::Invite { shop, new_shop: None, role, read, expires_in_ms: 900_000, addresses };
    let Answer::Invitation(view) = office.node.command(invite, None).await? else { return Err("no invitation".into()) };
    let invitation = Invitation::from_text(&view.invitation)?;
    node::join(directory, JoinOptions { invitation, peers: Vec::new(), name, mdns: false }).await?;
    forget_peers(directory)
}

/// A node that is not running knows nobody at its next start but whom it is told.
pub fn forget_peers(directory: &Path) -> Result<(), Error> {
    match std::fs::remove_file(directory.join("peers.json")) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// A credit of 100 USD.
pub fn grant(reference: &str, sim: &SimNumber) -> Result<Command, Error> {
    Ok(Command::Grant(GrantRequest {
        reference: Reference::new(reference)?,
        amount: Amount::parse("100", Currency::Usd)?,
        sim: sim.clone(),
        beneficiary: Beneficiary {
            name: "Amani Mumbere".to_owned(),
            phone: None,
            address: None,
            kind: BeneficiaryKind::Partner,
            shop: None,
        },
        due_at: None,
        notes: None,
        agent: None,
    }))
}
