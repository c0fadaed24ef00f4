//! The other half of `layout`: reads the operation out of the items of a change.
//!
//! It need not be strict: what it reads is laid out again and compared with what was found.

use crate::document::layout::{CANCELLED, Content, Item, Scalar, items};
use crate::model::{
    Beneficiary, BeneficiaryKind, Capture, CaptureState, Closing, ConflictId, Correction, Decision, Deposit, DeviceKey,
    DocumentId, Edit, Gift, Grant, Holder, Movement, MovementId, MovementKind, Operation, Operator, PaymentId,
    PaymentMade, PaymentMode, Reference, ReportedGrant, ReportedPayment, Reporter, Resolution, Seen, ShopId, SimNumber,
    Timestamp, VersionId, Withdrawal,
};
use crate::money::Amount;

/// Looks values up by name; reading twice or leaving something unread is caught by comparing the layout after.
pub(super) struct Reader<'a>(Vec<(&'a str, &'a Scalar)>);

impl<'a> Reader<'a> {
    pub(super) fn values(found: &'a [Item]) -> Reader<'a> {
        let value = |item: &'a Item| match &item.content {
            Content::Value(value) => Some((item.key.as_ref(), value)),
            Content::Map(_) => None,
        };
        Reader(found.iter().filter_map(value).collect())
    }

    pub(super) fn map(item: &'a Item) -> Option<Reader<'a>> {
        match &item.content {
            Content::Map(fields) => Some(Reader(fields.iter().map(|(key, value)| (key.as_ref(), value)).collect())),
            Content::Value(_) => None,
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<&'a Scalar> {
        self.0.iter().find(|(name, _)| *name == key).map(|(_, value)| *value)
    }

    pub(super) fn text(&self, key: &str) -> Option<String> {
        match self.get(key)? {
            Scalar::Text(text) => Some(text.clone()),
            _ => None,
        }
    }

    pub(super) fn amount(&self, key: &str) -> Option<Amount> {
        Amount::from_document(&self.text(key)?)
    }

    pub(super) fn time(&self, key: &str) -> Option<Timestamp> {
        match self.get(key)? {
            Scalar::Time(time) => Some(Timestamp(*time)),
            _ => None,
        }
    }

    pub(super) fn number(&self, key: &str) -> Option<u64> {
        match self.get(key)? {
            Scalar::Int(value) => u64::try_from(*value).ok(),
            _ => None,
        }
    }

    pub(super) fn shop(&self, key: &str) -> Option<ShopId> {
        u32::try_from(self.number(key)?).ok().map(ShopId)
    }

    pub(super) fn holder(&self, key: &str) -> Option<Holder> {
        Holder::from_text(&self.text(key)?)
    }
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
        ("clock", Content::Map(_)) => {
            let fields = Reader::map(first)?;
            let Scalar::Int(add_ms) = fields.get("add_ms")? else { return None };
            let correction = Correction { from: fields.number("from")?, to: fields.number("to")?, add_ms: *add_ms };
            Some(Operation::CorrectClock { by, correction })
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
        "gateway" => Some(Operation::NameGateway {
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
            reported: match read_reporter(&fields)? {
                None => None,
                Some(by) => Some(ReportedPayment {
                    by,
                    start: VersionId::from_text(&fields.text("start")?)?,
                    total: fields.amount("total")?,
                    doubtful: fields.get("doubtful").is_some(),
                }),
            },
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
        old_modified_at: values.time("modified_at"),
        reported: match read_reporter(values)? {
            None => None,
            Some(by) => Some(ReportedGrant { by, agent_number: values.number("agent_number")? }),
        },
    })
}

/// Which app reported it, if one did; `None` if that is only half said.
fn read_reporter(fields: &Reader<'_>) -> Option<Option<Reporter>> {
    match (fields.text("token"), fields.text("label")) {
        (None, None) => Some(None),
        (Some(token), Some(label)) => Some(Some(Reporter { token, label })),
        _ => None,
    }
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

fn read_seen(of: &str, value: &Scalar) -> Option<Seen> {
    let Scalar::Text(value) = value else { return None };
    let (value, ahead) = match value.split_once('^') {
        Some((value, ahead)) => (value, Some(ahead.parse().ok()?)),
        None => (value.as_str(), None),
    };
    let (value, stop) = value.strip_suffix('!').map_or((value, false), |rest| (rest, true));
    let (number, registry) = value.split_once('/')?;
    let (number, registry) = (number.parse().ok()?, registry.parse().ok()?);
    Some(Seen { of: Holder::from_text(of)?, number, registry, stop, ahead })
}
