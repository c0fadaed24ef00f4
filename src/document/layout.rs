//! How an operation is laid out: which keys of the document's root map it sets.
//!
//! | document | key | content | set by |
//! | --- | --- | --- | --- |
//! | registry | `network`, `time_zone`, `founded_at` | values | `Found` |
//! | | `shop/N`, `sim/NUMBER` | map | `AddShop`, `AddSim` |
//! | | `certificate/DEVICE/HASH` | map | `Certify` |
//! | | `revoked/DEVICE` | true | `Revoke` |
//! | | `name/DEVICE` | register | `RenameDevice` |
//! | | `keeper/N`, `stop/N/HOLDER`, `close/N/HOLDER`, `moved/NUMBER` | registers | their operations |
//! | shop | `town` | register | `DescribeShop` |
//! | | `sight/HOLDER`, `succession/HOLDER` | registers | `Sight`, `TakeOver` |
//! | | `resolution/ID` | registers | `Resolve` |
//! | SIM and month | `movement/ID`, then `reimbursed/ID` | maps | `Move`, `Reimburse` |
//! | | `validated/ID`, `reversed/ID`, `taken/ID`, `borne/ID` | registers | who has the right to, `ledger` says |
//! | credit | `amount`, `sim`, ... | values, written once | `Grant` |
//! | | `reference`, `renumbered_by` | registers | `Grant`, `Renumber` |
//! | | `name`, `phone`, `address`, `due_at`, `notes`, `edited_by` | registers | `Grant`, `Edit` |
//! | | `payment/ID`, `reversal/ID` | maps | `Pay`, `ReversePayment` |
//! | | `returned`, `given_back/ID` | registers | `Return`, `GiveBack` |
//! | | `status` | register: `actif`, or a map with the cancellation or what takes it back | all but `Edit`, `Renumber`, `GiveBack` |
//!
//! A *register* may be set again; everything else is written once. Absent options are not written; in an edit, a
//! field taken away is written as null. There are no nested containers to create twice.

use std::borrow::Cow;

use crate::document::reader::Reader;
use crate::model::{
    Beneficiary, BeneficiaryKind, Capture, CaptureState, Closing, ConflictId, ContactField, Decision, Deposit,
    DeviceKey, DocumentId, Edit, Gift, Grant, Holder, Movement, MovementId, MovementKind, Operation, Operator,
    PaymentId, PaymentMade, PaymentMode, Reference, Register, Resolution, Seen, ShopId, SimNumber, Timestamp,
    Withdrawal,
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
const ACTIVE: &str = "actif";
const CANCELLED: &str = "annule";

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
            layout.map(
                format!("payment/{}", payment.id),
                vec![
                    ("amount", Some(amount(payment.amount))),
                    ("mode", Some(text(payment.mode.word()))),
                    ("reference", some_text(payment.reference.as_ref())),
                    ("agent", some_text(payment.agent.as_ref())),
                    ("at", Some(time(payment.at))),
                ],
            );
            layout.value("status", text(ACTIVE));
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
    layout.value("name", text(name));
    layout.some("phone", some_text(phone.as_ref()));
    layout.some("address", some_text(address.as_ref()));
    layout.some("due_at", grant.due_at.map(time));
    layout.some("notes", some_text(grant.notes.as_ref()));
    layout.value("status", text(ACTIVE));
}

/// One map, by holder: how far its two logs are held, and whether that answers a stop.
fn sight_items(layout: &mut Layout, by: &Holder, seen: &[Seen]) {
    let fields = seen.iter().map(|one| {
        let mark = if one.stop { "!" } else { "" };
        (Cow::Owned(one.of.to_text()), Scalar::Text(format!("{}/{}{mark}", one.number, one.registry)))
    });
    let content = Content::Map(fields.collect());
    layout.0.push(Item { key: format!("sight/{}", by.to_text()).into(), content });
}

fn read_seen(of: &str, value: &Scalar) -> Option<Seen> {
    let Scalar::Text(value) = value else { return None };
    let (value, stop) = value.strip_suffix('!').map_or((value.as_str(), false), |rest| (rest, true));
    let (number, registry) = value.split_once('/')?;
    Some(Seen { of: Holder::from_text(of)?, number: number.parse().ok()?, registry: registry.parse().ok()?, stop })
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
            if ["keeper/", "stop/", "close/", "moved/"].iter().any(|family| key.starts_with(family)) =>
        {
            return Some(None);
        }
        (DocumentId::Registry, key) => Register::DeviceName(DeviceKey::from_text(key.strip_prefix("name/")?)?),
        _ => return None,
    };
    Some(Some(field))
}

/// Reads the operation out of the items of a change on that document: `None` unless [`items`] of the result
/// would be exactly these.
pub fn operation(document: &DocumentId, found: &[Item]) -> Option<Operation> {
    let operation = match document {
        DocumentId::Registry => read_registry(found)?,
        DocumentId::Shop(_) => read_shop(found)?,
        DocumentId::SimMonth { .. } => read_movement(found)?,
        DocumentId::Credit { .. } => read_credit(found)?,
    };
    (items(&operation) == found).then_some(operation)
}

fn read_shop(found: &[Item]) -> Option<Operation> {
    let first = found.first()?;
    let Some((family, by)) = first.key.split_once('/') else {
        return Some(Operation::DescribeShop { town: Reader::values(found).text("town")? });
    };
    if family == "resolution" {
        let fields = Reader::map(first)?;
        return Some(Operation::Resolve(Resolution {
            conflict: ConflictId::from_text(by)?,
            decision: Decision::from_text(&fields.text("decision")?)?,
            why: fields.text("why")?,
            agent: fields.text("agent"),
            at: fields.time("at")?,
        }));
    }
    let by = Holder::from_text(by)?;
    match (family, &first.content) {
        ("sight", Content::Map(fields)) => {
            let seen = fields.iter().map(|(of, value)| read_seen(of, value)).collect::<Option<Vec<Seen>>>()?;
            Some(Operation::Sight { by, seen })
        }
        ("succession", Content::Map(_)) => {
            let fields = Reader::map(first)?;
            Some(Operation::TakeOver { by, of: fields.holder("of")?, end: fields.number("end")? })
        }
        _ => None,
    }
}

fn read_registry(found: &[Item]) -> Option<Operation> {
    let first = found.first()?;
    let (family, rest) = first.key.split_once('/').unwrap_or((&first.key, ""));
    match family {
        "network" => {
            let values = Reader::values(found);
            Some(Operation::Found {
                network: values.text("network")?,
                time_zone: values.text("time_zone")?,
                at: values.time("founded_at")?,
            })
        }
        "shop" => {
            Some(Operation::AddShop { shop: ShopId(rest.parse().ok()?), name: Reader::map(first)?.text("name")? })
        }
        "certificate" => {
            let fields = Reader::map(first)?;
            let certificate = match fields.get("certificate")? {
                Scalar::Bytes(bytes) => bytes.clone(),
                _ => return None,
            };
            let device = DeviceKey::from_text(rest.split_once('/')?.0)?;
            Some(Operation::Certify { device, certificate, name: fields.text("name")? })
        }
        "keeper" => Some(Operation::NameKeeper {
            shop: ShopId(rest.parse().ok()?),
            device: DeviceKey::from_text(&Reader::values(found).text(&first.key)?)?,
        }),
        "stop" => {
            let (shop, of) = rest.split_once('/')?;
            Some(Operation::Stop {
                shop: ShopId(shop.parse().ok()?),
                of: Holder::from_text(of)?,
                successor: Reader::values(found).holder(&first.key)?,
            })
        }
        "close" => {
            let (shop, of) = rest.split_once('/')?;
            let fields = Reader::map(first)?;
            Some(Operation::Close(Closing {
                shop: ShopId(shop.parse().ok()?),
                of: Holder::from_text(of)?,
                end: fields.number("end")?,
                registry_end: fields.number("registry_end")?,
                successor: fields.holder("successor")?,
                insisted: fields.get("insisted").is_some(),
            }))
        }
        "moved" => {
            let fields = Reader::map(first)?;
            Some(Operation::MoveSim {
                sim: SimNumber::new(rest).ok()?,
                from: fields.shop("from")?,
                to: fields.shop("to")?,
            })
        }
        "revoked" => Some(Operation::Revoke { device: DeviceKey::from_text(rest)? }),
        "name" => Some(Operation::RenameDevice {
            device: DeviceKey::from_text(rest)?,
            name: Reader::values(found).text(&first.key)?,
        }),
        "sim" => {
            let fields = Reader::map(first)?;
            Some(Operation::AddSim {
                sim: SimNumber::new(rest).ok()?,
                operator: Operator::from_word(&fields.text("operator")?)?,
                shop: fields.shop("shop")?,
            })
        }
        _ => None,
    }
}

fn read_movement(found: &[Item]) -> Option<Operation> {
    let first = found.first()?;
    let (family, id) = first.key.split_once('/')?;
    let movement = MovementId::from_text(id)?;
    let fields = Reader::map(first)?;
    match family {
        "movement" => {
            let amount = fields.amount("amount")?;
            let kind = match fields.text("kind")?.as_str() {
                "opening" => MovementKind::Opening(amount),
                "capture" => MovementKind::Capture(Capture {
                    amount,
                    cash: fields.amount("cash"),
                    fee: fields.amount("fee"),
                    reference: fields.text("reference"),
                    client: fields.text("client"),
                    phone: fields.text("phone"),
                    state: CaptureState::from_word(&fields.text("state")?)?,
                }),
                "withdrawal" => MovementKind::Withdrawal(Withdrawal {
                    amount,
                    owed_by: fields.shop("owed_by"),
                    reimbursed: fields.get("reimbursed") == Some(&Scalar::Flag(true)),
                }),
                "deposit" => MovementKind::Deposit(Deposit { amount, phone: fields.text("phone") }),
                "gift" => MovementKind::Gift(Gift { amount, to: fields.holder("to")? }),
                "moved" => MovementKind::Moved(amount),
                _ => return None,
            };
            Some(Operation::Move(Movement {
                id: movement,
                kind,
                at: fields.time("at")?,
                agent: fields.text("agent"),
                old_id: fields.number("old_id"),
            }))
        }
        "validated" => Some(Operation::ValidateCapture { movement, at: fields.time("at")? }),
        "taken" => Some(Operation::TakeGift { movement, at: fields.time("at")? }),
        "borne" => Some(Operation::BearGift { movement, at: fields.time("at")? }),
        "reimbursed" => Some(Operation::Reimburse { movement, at: fields.time("at")? }),
        "reversed" => {
            Some(Operation::ReverseMovement { movement, why: fields.text("why")?, agent: fields.text("agent") })
        }
        _ => None,
    }
}

fn read_credit(found: &[Item]) -> Option<Operation> {
    let first = found.first()?;
    if found.last()?.key == "renumbered_by" {
        let reference = Reference::new(&Reader::values(found).text("reference")?).ok()?;
        let agent = match &found.last()?.content {
            Content::Value(Scalar::Text(agent)) => Some(agent.clone()),
            _ => None,
        };
        return Some(Operation::Renumber { reference, agent });
    }
    if first.key == "reference" {
        return read_grant(&Reader::values(found)).map(Operation::Grant);
    }
    if found.last()?.key == "edited_by" {
        return read_edit(found);
    }
    if first.key == "returned" {
        return Some(Operation::Return { at: Reader::values(found).time("returned")? });
    }
    let fields = Reader::map(first)?;
    match first.key.split_once('/') {
        None if first.key == "status" => {
            let (why, agent, at) = (fields.text("why")?, fields.text("agent"), fields.time("at")?);
            let is_cancelled = fields.text("is")? == CANCELLED;
            Some(if is_cancelled {
                Operation::Cancel { why, agent, at }
            } else {
                Operation::Reinstate { why, agent, at }
            })
        }
        Some(("payment", id)) => Some(Operation::Pay(PaymentMade {
            id: PaymentId::from_text(id)?,
            amount: fields.amount("amount")?,
            mode: PaymentMode::from_word(&fields.text("mode")?)?,
            reference: fields.text("reference"),
            agent: fields.text("agent"),
            at: fields.time("at")?,
        })),
        Some(("given_back", id)) => Some(Operation::GiveBack {
            payment: PaymentId::from_text(id)?,
            amount: fields.amount("amount")?,
            why: fields.text("why")?,
            agent: fields.text("agent"),
            at: fields.time("at")?,
        }),
        Some(("reversal", id)) => Some(Operation::ReversePayment {
            payment: PaymentId::from_text(id)?,
            why: fields.text("why")?,
            agent: fields.text("agent"),
        }),
        _ => None,
    }
}

fn read_grant(values: &Reader<'_>) -> Option<Grant> {
    Some(Grant {
        reference: Reference::new(&values.text("reference")?).ok()?,
        amount: values.amount("amount")?,
        sim: SimNumber::new(&values.text("sim")?).ok()?,
        beneficiary: Beneficiary {
            name: values.text("name")?,
            phone: values.text("phone"),
            address: values.text("address"),
            kind: BeneficiaryKind::from_word(&values.text("kind")?)?,
            shop: values.shop("beneficiary_shop"),
        },
        agent: values.text("agent"),
        granted_at: values.time("granted_at")?,
        due_at: values.time("due_at"),
        notes: values.text("notes"),
        old_id: values.number("old_id"),
    })
}

fn read_edit(found: &[Item]) -> Option<Operation> {
    let (editor, fields) = found.split_last()?;
    let mut edits = Vec::new();
    for (index, item) in fields.iter().enumerate() {
        // Each field at most once: a second value would compete with the first within one change.
        if fields[..index].iter().any(|earlier| earlier.key == item.key) {
            return None;
        }
        let value = match &item.content {
            Content::Value(value) => value,
            Content::Map(_) => return None,
        };
        let optional = |value: &Scalar| match value {
            Scalar::Text(text) => Some(Some(text.clone())),
            Scalar::Null => Some(None),
            _ => None,
        };
        edits.push(match (item.key.as_ref(), value) {
            ("name", Scalar::Text(name)) => Edit::Name(name.clone()),
            ("phone", value) => Edit::Phone(optional(value)?),
            ("address", value) => Edit::Address(optional(value)?),
            ("notes", value) => Edit::Notes(optional(value)?),
            ("due_at", Scalar::Time(time)) => Edit::DueAt(Some(Timestamp(*time))),
            ("due_at", Scalar::Null) => Edit::DueAt(None),
            _ => return None,
        });
    }
    let agent = match &editor.content {
        Content::Value(Scalar::Text(agent)) => Some(agent.clone()),
        Content::Value(Scalar::Null) => None,
        _ => return None,
    };
    Some(Operation::Edit { edits, agent })
}
