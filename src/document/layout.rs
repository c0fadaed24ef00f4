//! How an operation is laid out: which keys of the document's root map it sets.
//!
//! | document | key | content | set by |
//! | --- | --- | --- | --- |
//! | registry | `network`, `time_zone`, `founded_at` | values | `Found` |
//! | | `shop/N`, `sim/NUMBER` | map | `AddShop`, `AddSim` |
//! | | `certificate/DEVICE/HASH` | map | `Certify` |
//! | | `revoked/DEVICE` | true | `Revoke` |
//! | | `name/DEVICE` | register | `RenameDevice` |
//! | | `keeper/N`, `gateway/N`, `stop/N/HOLDER`, `close/N/HOLDER`, `moved/NUMBER` | registers | their operations |
//! | shop | `town` | register | `DescribeShop` |
//! | | `sight/HOLDER`, `clock/HOLDER`, `succession/HOLDER` | registers | `Sight`, `CorrectClock`, `TakeOver` |
//! | | `resolution/ID` | registers | `Resolve` |
//! | SIM and month | `movement/ID`, then `reimbursed/ID` | maps | `Move`, `Reimburse` |
//! | | `validated/ID`, `reversed/ID`, `taken/ID`, `borne/ID` | registers | who has the right to, `ledger` says |
//! | credit | `amount`, `sim`, ... | values, written once | `Grant` |
//! | | `reference`, `renumbered_by` | registers | `Grant`, `Renumber` |
//! | | `name`, `phone`, `address`, `due_at`, `notes`, `edited_by` | registers | `Grant`, `Edit` |
//! | | `payment/ID`, `reversal/ID` | maps | `Pay`, `ReversePayment` |
//! | | `returned`, `given_back/ID` | registers | `Return`, `GiveBack` |
//! | | `status` | register: `actif`, or a map with the cancellation or what takes it back | all but `Edit`, `Renumber`, `GiveBack`, a payment that was reported |
//!
//! A *register* may be set again; everything else is written once. Absent options are not written; in an edit, a
//! field taken away is written as null. There are no nested containers to create twice.

use std::borrow::Cow;

use crate::model::{
    Beneficiary, ContactField, Correction, DeviceKey, DocumentId, Edit, Grant, Holder, Movement, MovementKind,
    Operation, PaymentId, Register, Seen, Timestamp,
};
use crate::money::Amount;

/// A value of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scalar {
    /// A text.
    Text(String),
    /// A whole number.
    Int(i64),
    /// Milliseconds since 1970.
    Time(i64),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Yes or no.
    Flag(bool),
    /// Taken away.
    Null,
}

/// What stands under a key of the root map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A value.
    Value(Scalar),
    /// A map of values, in the order in which they are written.
    Map(Vec<(Cow<'static, str>, Scalar)>),
}

/// One key of the root map and what is written there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The key.
    pub key: Cow<'static, str>,
    /// What is written.
    pub content: Content,
}

/// The status register's value while the credit is not cancelled.
pub(super) const ACTIVE: &str = "actif";
pub(super) const CANCELLED: &str = "annule";

struct Layout(Vec<Item>);

impl Layout {
    fn value(&mut self, key: impl Into<Cow<'static, str>>, value: Scalar) {
        self.0.push(Item { key: key.into(), content: Content::Value(value) });
    }

    fn some(&mut self, key: &'static str, value: Option<Scalar>) {
        if let Some(value) = value {
            self.value(key, value);
        }
    }

    fn map(&mut self, key: impl Into<Cow<'static, str>>, fields: Vec<(&'static str, Option<Scalar>)>) {
        let fields =
            fields.into_iter().filter_map(|(name, value)| value.map(|value| (Cow::Borrowed(name), value))).collect();
        self.0.push(Item { key: key.into(), content: Content::Map(fields) });
    }
}

fn text(text: &str) -> Scalar {
    Scalar::Text(text.to_owned())
}

fn some_text(value: Option<&String>) -> Option<Scalar> {
    value.map(|value| text(value))
}

fn amount(amount: Amount) -> Scalar {
    Scalar::Text(amount.to_string())
}

fn time(time: Timestamp) -> Scalar {
    Scalar::Time(time.0)
}

fn number(value: u64) -> Scalar {
    Scalar::Int(i64::try_from(value).unwrap_or(i64::MAX))
}

fn certificate_key(device: &DeviceKey, certificate: &[u8]) -> String {
    let hash = blake3::hash(certificate).to_hex();
    format!("certificate/{device}/{}", &hash[..16])
}

/// The items that this operation writes, in order.
pub fn items(operation: &Operation) -> Vec<Item> {
    let mut layout = Layout(Vec::new());
    match operation {
        Operation::Found { network, time_zone, at } => {
            layout.value("network", text(network));
            layout.value("time_zone", text(time_zone));
            layout.value("founded_at", time(*at));
        }
        Operation::AddShop { shop, name } => layout.map(format!("shop/{shop}"), vec![("name", Some(text(name)))]),
        Operation::Certify { device, certificate, name } => layout.map(
            certificate_key(device, certificate),
            vec![("certificate", Some(Scalar::Bytes(certificate.clone()))), ("name", Some(text(name)))],
        ),
        Operation::Revoke { device } => layout.value(format!("revoked/{device}"), Scalar::Flag(true)),
        Operation::RenameDevice { device, name } => layout.value(format!("name/{device}"), text(name)),
        Operation::AddSim { sim, operator, shop } => layout.map(
            format!("sim/{sim}"),
            vec![("operator", Some(text(operator.word()))), ("shop", Some(number(shop.0.into())))],
        ),
        Operation::NameKeeper { shop, device } => layout.value(format!("keeper/{shop}"), text(&device.to_text())),
        Operation::NameGateway { shop, device } => layout.value(format!("gateway/{shop}"), text(&device.to_text())),
        Operation::Stop { shop, of, successor } => {
            layout.value(format!("stop/{shop}/{}", of.to_text()), text(&successor.to_text()));
        }
        Operation::Close(closing) => layout.map(
            format!("close/{}/{}", closing.shop, closing.of.to_text()),
            vec![
                ("end", Some(number(closing.end))),
                ("registry_end", Some(number(closing.registry_end))),
                ("successor", Some(text(&closing.successor.to_text()))),
                ("insisted", closing.insisted.then_some(Scalar::Flag(true))),
            ],
        ),
        Operation::MoveSim { sim, from, to } => layout.map(
            format!("moved/{sim}"),
            vec![("from", Some(number(from.0.into()))), ("to", Some(number(to.0.into())))],
        ),
        Operation::Sight { by, seen } => sight_items(&mut layout, by, seen),
        Operation::CorrectClock { by, correction: Correction { from, to, add_ms } } => layout.map(
            format!("clock/{}", by.to_text()),
            vec![("from", Some(number(*from))), ("to", Some(number(*to))), ("add_ms", Some(Scalar::Int(*add_ms)))],
        ),
        Operation::TakeOver { by, of, end } => layout.map(
            format!("succession/{}", by.to_text()),
            vec![("of", Some(text(&of.to_text()))), ("end", Some(number(*end)))],
        ),
        Operation::DescribeShop { town } => layout.value("town", text(town)),
        Operation::Resolve(resolution) => layout.map(
            format!("resolution/{}", resolution.conflict),
            vec![
                ("decision", Some(text(&resolution.decision.to_text()))),
                ("why", Some(text(&resolution.why))),
                ("agent", some_text(resolution.agent.as_ref())),
                ("at", Some(time(resolution.at))),
            ],
        ),
        Operation::Move(movement) => layout.map(format!("movement/{}", movement.id), movement_fields(movement)),
        Operation::ValidateCapture { movement, at } => {
            layout.map(format!("validated/{movement}"), vec![("at", Some(time(*at)))]);
        }
        Operation::Reimburse { movement, at } => {
            layout.map(format!("reimbursed/{movement}"), vec![("at", Some(time(*at)))]);
        }
        Operation::ReverseMovement { movement, why, agent } => {
            layout.map(
                format!("reversed/{movement}"),
                vec![("why", Some(text(why))), ("agent", some_text(agent.as_ref()))],
            );
        }
        Operation::TakeGift { movement, at } => {
            layout.map(format!("taken/{movement}"), vec![("at", Some(time(*at)))]);
        }
        Operation::BearGift { movement, at } => {
            layout.map(format!("borne/{movement}"), vec![("at", Some(time(*at)))]);
        }
        Operation::Return { at } => layout.value("returned", time(*at)),
        Operation::Grant(grant) => grant_items(&mut layout, grant),
        Operation::Pay(payment) => {
            let reported = payment.reported.as_ref();
            layout.map(
                format!("payment/{}", payment.id),
                vec![
                    ("amount", Some(amount(payment.amount))),
                    ("mode", Some(text(payment.mode.word()))),
                    ("reference", some_text(payment.reference.as_ref())),
                    ("agent", some_text(payment.agent.as_ref())),
                    ("at", Some(time(payment.at))),
                    ("token", reported.map(|one| text(&one.by.token))),
                    ("label", reported.map(|one| text(&one.by.label))),
                    ("start", reported.map(|one| text(&one.start.to_text()))),
                    ("total", reported.map(|one| amount(one.total))),
                    ("doubtful", reported.filter(|one| one.doubtful).map(|_| Scalar::Flag(true))),
                ],
            );
            // An app that reports a payment knew nothing of a cancellation: it must not take one back in silence.
            if reported.is_none() {
                layout.value("status", text(ACTIVE));
            }
        }
        Operation::ReversePayment { payment, why, agent } => {
            layout.map(
                format!("reversal/{payment}"),
                vec![("why", Some(text(why))), ("agent", some_text(agent.as_ref()))],
            );
            layout.value("status", text(ACTIVE));
        }
        Operation::Cancel { why, agent, at } => layout.map(
            "status",
            vec![
                ("is", Some(text(CANCELLED))),
                ("why", Some(text(why))),
                ("agent", some_text(agent.as_ref())),
                ("at", Some(time(*at))),
            ],
        ),
        Operation::GiveBack { payment, amount: back, why, agent, at } => layout.map(
            format!("given_back/{payment}"),
            vec![
                ("amount", Some(amount(*back))),
                ("why", Some(text(why))),
                ("agent", some_text(agent.as_ref())),
                ("at", Some(time(*at))),
            ],
        ),
        Operation::Reinstate { why, agent, at } => layout.map(
            "status",
            vec![
                ("is", Some(text(ACTIVE))),
                ("why", Some(text(why))),
                ("agent", some_text(agent.as_ref())),
                ("at", Some(time(*at))),
            ],
        ),
        Operation::Renumber { reference, agent } => {
            layout.value("reference", text(reference.as_str()));
            layout.value("renumbered_by", some_text(agent.as_ref()).unwrap_or(Scalar::Null));
        }
        Operation::Edit { edits, agent } => {
            for edit in edits {
                let (key, value) = match edit {
                    Edit::Name(name) => ("name", Some(text(name))),
                    Edit::Phone(phone) => ("phone", some_text(phone.as_ref())),
                    Edit::Address(address) => ("address", some_text(address.as_ref())),
                    Edit::DueAt(due) => ("due_at", due.map(time)),
                    Edit::Notes(notes) => ("notes", some_text(notes.as_ref())),
                };
                layout.value(key, value.unwrap_or(Scalar::Null));
            }
            layout.value("edited_by", some_text(agent.as_ref()).unwrap_or(Scalar::Null));
        }
    }
    layout.0
}

fn grant_items(layout: &mut Layout, grant: &Grant) {
    let Beneficiary { name, phone, address, kind, shop } = &grant.beneficiary;
    layout.value("reference", text(grant.reference.as_str()));
    layout.value("amount", amount(grant.amount));
    layout.value("sim", text(grant.sim.as_str()));
    layout.value("kind", text(kind.word()));
    layout.some("beneficiary_shop", shop.map(|shop| number(shop.0.into())));
    layout.some("agent", some_text(grant.agent.as_ref()));
    layout.value("granted_at", time(grant.granted_at));
    layout.some("old_id", grant.old_id.map(number));
    layout.some("modified_at", grant.old_modified_at.map(time));
    layout.some("token", grant.reported.as_ref().map(|reported| text(&reported.by.token)));
    layout.some("label", grant.reported.as_ref().map(|reported| text(&reported.by.label)));
    layout.some("agent_number", grant.reported.as_ref().map(|reported| number(reported.agent_number)));
    layout.value("name", text(name));
    layout.some("phone", some_text(phone.as_ref()));
    layout.some("address", some_text(address.as_ref()));
    layout.some("due_at", grant.due_at.map(time));
    layout.some("notes", some_text(grant.notes.as_ref()));
    layout.value("status", text(ACTIVE));
}

/// One map, by holder: how far its two logs are held, whether that answers a stop (`!`), and from which entry on they
/// are stamped ahead of the writer's clock (`^`).
fn sight_items(layout: &mut Layout, by: &Holder, seen: &[Seen]) {
    let fields = seen.iter().map(|one| {
        let mark = if one.stop { "!" } else { "" };
        let ahead = one.ahead.map(|ahead| format!("^{ahead}")).unwrap_or_default();
        (Cow::Owned(one.of.to_text()), Scalar::Text(format!("{}/{}{mark}{ahead}", one.number, one.registry)))
    });
    let content = Content::Map(fields.collect());
    layout.0.push(Item { key: format!("sight/{}", by.to_text()).into(), content });
}

fn movement_fields(movement: &Movement) -> Vec<(&'static str, Option<Scalar>)> {
    let mut fields = vec![
        ("kind", Some(text(movement.kind.word()))),
        ("amount", Some(amount(movement.kind.amount()))),
        ("at", Some(time(movement.at))),
        ("agent", some_text(movement.agent.as_ref())),
        ("old_id", movement.old_id.map(number)),
    ];
    match &movement.kind {
        MovementKind::Opening(_) => {}
        MovementKind::Capture(capture) => fields.extend([
            ("cash", capture.cash.map(amount)),
            ("fee", capture.fee.map(amount)),
            ("reference", some_text(capture.reference.as_ref())),
            ("client", some_text(capture.client.as_ref())),
            ("phone", some_text(capture.phone.as_ref())),
            ("state", Some(text(capture.state.word()))),
        ]),
        MovementKind::Withdrawal(withdrawal) => fields.extend([
            ("owed_by", withdrawal.owed_by.map(|shop| number(shop.0.into()))),
            ("reimbursed", withdrawal.reimbursed.then_some(Scalar::Flag(true))),
        ]),
        MovementKind::Deposit(deposit) => fields.push(("phone", some_text(deposit.phone.as_ref()))),
        MovementKind::Gift(gift) => fields.push(("to", Some(text(&gift.to.to_text())))),
        MovementKind::Moved(_) => {}
    }
    fields
}

/// Which register a key is, in that document; `None` for what is written once.
pub(super) fn register(document: &DocumentId, key: &str) -> Option<Option<Register>> {
    let field = match (document, key) {
        (DocumentId::Credit { .. }, "status") => Register::Status,
        (DocumentId::Credit { .. }, "name") => Register::Contact(ContactField::Name),
        (DocumentId::Credit { .. }, "phone") => Register::Contact(ContactField::Phone),
        (DocumentId::Credit { .. }, "address") => Register::Contact(ContactField::Address),
        (DocumentId::Credit { .. }, "due_at") => Register::Contact(ContactField::DueAt),
        (DocumentId::Credit { .. }, "notes") => Register::Contact(ContactField::Notes),
        (DocumentId::Credit { .. }, "reference") => Register::Reference,
        (DocumentId::Credit { .. }, key) if key.starts_with("given_back/") => {
            Register::GivenBack(PaymentId::from_text(key.strip_prefix("given_back/")?)?)
        }
        (DocumentId::Credit { .. }, "edited_by" | "renumbered_by" | "returned") => return Some(None),
        (DocumentId::Shop(_), "town") => Register::Town,
        (DocumentId::Shop(_), _) => return Some(None),
        (DocumentId::SimMonth { .. }, key) => {
            let again = ["validated/", "reversed/", "taken/", "borne/"];
            return again.iter().any(|family| key.starts_with(family)).then_some(None);
        }
        (DocumentId::Registry, key)
            if ["keeper/", "gateway/", "stop/", "close/", "moved/"].iter().any(|family| key.starts_with(family)) =>
        {
            return Some(None);
        }
        (DocumentId::Registry, key) => Register::DeviceName(DeviceKey::from_text(key.strip_prefix("name/")?)?),
        _ => return None,
    };
    Some(Some(field))
}
