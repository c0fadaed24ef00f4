//! What a scenario says: shops, devices, SIMs, steps in their order, and what is expected at the end.
//!
//! The types are read by serde, from TOML at the command line. A key that is not known is refused by each of them. It must
//! never give a word a meaning that the program itself does not know.

use serde::Deserialize;

/// A scenario as it is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What it is called.
    pub name: String,
    /// Its story, for whoever reads the file.
    #[serde(default)]
    pub about: String,
    /// What else may differ between two runs of one story: keys, ids, delays of the network. 1 if absent.
    #[serde(default = "one")]
    pub seed: u64,
    /// The shops, numbered from 1 in their order unless they say otherwise.
    pub shop: Vec<Shop>,
    /// The devices. The first founds the network: it is the head office.
    pub device: Vec<Device>,
    /// The SIMs.
    #[serde(default)]
    pub sim: Vec<Sim>,
    /// What happens.
    #[serde(default)]
    pub step: Vec<Step>,
    /// What must be found at the end.
    #[serde(default)]
    pub expect: Vec<Expect>,
}

fn one() -> u64 {
    1
}

/// A shop.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shop {
    /// Its name, by which the rest of the file names it.
    pub name: String,
    /// Its number.
    pub number: Option<u32>,
}

/// A device.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// Its name.
    pub name: String,
    /// The name of its shop.
    pub shop: String,
    /// `device`, `relay`, `auditor` or `manager`; the first device is the head office and says nothing.
    pub role: Option<String>,
    /// `all` shops or its `own`; `all` if absent.
    pub read: Option<String>,
    /// What its clock shows when the story begins: `+5m`, `-2h`, `2017-01-01`, `2017-01-01T08:00:00Z`. Right if absent.
    pub clock: Option<String>,
}

/// A SIM.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sim {
    /// Its number.
    pub number: String,
    /// What the rest of the file calls it, beside its number.
    pub name: Option<String>,
    /// `airtel`, `vodacom`, `orange`, `africell`; the first if absent.
    pub operator: Option<String>,
    /// The name of its shop; the first if absent.
    pub shop: Option<String>,
    /// The device that makes it known, whose share its opening balance is; the shop's first if absent.
    pub by: Option<String>,
    /// What it holds in US dollars.
    pub usd: Option<String>,
    /// What it holds in Congolese francs.
    pub cdf: Option<String>,
}

/// Devices: `all`, one name (that one and everybody else), or several (those among each other).
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "the name of a device, a list of names, or \"all\"")]
pub enum Names {
    /// `all`, or one.
    One(String),
    /// Several.
    Many(Vec<String>),
}

macro_rules! actions {
    ($($(#[$docs:meta])* $field:ident: $inner:ty => $variant:ident,)+) => {
        /// A step: one action, and what goes with it.
        #[derive(Clone, Debug, Default, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct Step {
            /// A word to whoever reads what happened.
            pub say: Option<String>,
            /// The device on which an operation is done.
            pub by: Option<String>,
            /// Who does it.
            pub agent: Option<String>,
            /// What later steps and expectations call the credit, payment or movement that comes of it.
            #[serde(rename = "as")]
            pub named: Option<String>,
            /// The code of the refusal that is expected.
            pub refused: Option<String>,
            /// How long it takes, instead of the usual minute (two minutes for a meeting).
            pub takes: Option<String>,
            $($(#[$docs])* pub $field: Option<$inner>,)+
        }

        /// What is done in a step.
        #[derive(Clone, Debug)]
        pub enum Action {
            $($(#[$docs])* $variant($inner),)+
        }

        impl Step {
            /// Every action that the step names, with the key that names it.
            pub fn actions(&self) -> Vec<(&'static str, Action)> {
                let mut found = Vec::new();
                $(if let Some(inner) = &self.$field {
                    found.push((stringify!($field), Action::$variant(inner.clone())));
                })+
                found
            }
        }
    };
}

actions! {
    /// These do not reach each other any more.
    cut: Names => Cut,
    /// These reach each other again, and have two minutes to agree.
    heal: Names => Heal,
    /// These meet for two minutes, and are then as far from each other as before.
    meet: Names => Meet,
    /// Nothing is done for so long.
    wait: String => Wait,
    /// A device's clock is set.
    set_clock: SetClock => SetClock,
    /// A device loses power: what its disk had not been told to keep is gone.
    power_cut: String => PowerCut,
    /// It has power again.
    power_on: String => PowerOn,
    /// A device's disk is copied, and the copy put aside under a name.
    copy: Copied => Copy,
    /// A copy is put into another machine and started: the same device runs twice.
    start: Started => Start,
    /// A copy is put back in the place of the disk.
    restore: Restored => Restore,
    /// A credit is granted.
    grant: Grant => Grant,
    /// A payment is recorded.
    pay: Pay => Pay,
    /// A mistyped payment is taken back.
    reverse_payment: ReversePayment => ReversePayment,
    /// A credit is called off.
    cancel: OfCredit => Cancel,
    /// A cancelled credit's amount is given back without waiting.
    return_credit: OfCredit => ReturnCredit,
    /// Fields of a credit change.
    edit: Edits => Edit,
    /// A client's transfer arrived on the SIM.
    capture: Capture => Capture,
    /// A pending capture is confirmed.
    validate: String => Validate,
    /// Float out against cash that another shop owes.
    withdraw: Withdraw => Withdraw,
    /// Float out against cash in hand.
    deposit: Deposit => Deposit,
    /// The cash of a withdrawal came back.
    reimburse: String => Reimburse,
    /// A movement is taken back.
    reverse: Reverse => Reverse,
    /// Some of this device's share goes to another.
    give: Give => Give,
    /// The others are asked for some of theirs.
    ask: Ask => Ask,
    /// A SIM goes to another shop.
    move_sim: MoveSim => MoveSim,
    /// A lost device is closed.
    close: Close => Close,
    /// Connections with a device end for good.
    revoke: String => Revoke,
    /// A person decides about a conflict.
    resolve: Resolve => Resolve,
}

/// A clock that is set.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetClock {
    /// Whose.
    pub device: String,
    /// To what: as in [`Device::clock`], or `right`.
    pub to: String,
}

/// A disk that is copied.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Copied {
    /// Whose.
    pub device: String,
    /// The name of the copy.
    pub to: String,
}

/// A copy that is started on another machine.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Started {
    /// The name of the copy.
    pub copy: String,
    /// What the rest of the file calls the machine.
    pub name: String,
}

/// A copy that is put back.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restored {
    /// On which device.
    pub device: String,
    /// The name of the copy.
    pub copy: String,
    /// Whether the program does not notice it, and goes on under its old incarnation.
    #[serde(default)]
    pub unnoticed: bool,
}

/// A credit to grant.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// Its reference.
    pub reference: String,
    /// How much.
    pub amount: String,
    /// `USD` if absent.
    pub currency: Option<String>,
    /// From which SIM; the shop's only one if absent.
    pub sim: Option<String>,
    /// To whom.
    pub to: Option<String>,
    /// When it is to be paid: a date, or an instant.
    pub due: Option<String>,
    /// Free text.
    pub note: Option<String>,
}

/// A payment.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pay {
    /// Of which credit: its reference, or what `as` called it.
    pub credit: String,
    /// How much.
    pub amount: String,
    /// `cash`, `mobile_money` or `virement`.
    pub mode: Option<String>,
    /// The payer's reference.
    pub reference: Option<String>,
}

/// A payment that is taken back.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReversePayment {
    /// Of which credit.
    pub credit: String,
    /// What `as` called it.
    pub payment: String,
    /// Why.
    pub why: Option<String>,
}

/// What is done to a credit as a whole.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfCredit {
    /// Which.
    pub credit: String,
    /// Why.
    pub why: Option<String>,
}

/// Fields that change; an empty text takes a field away.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edits {
    /// Of which credit.
    pub credit: String,
    /// The beneficiary's name.
    pub name: Option<String>,
    /// The beneficiary's phone.
    pub phone: Option<String>,
    /// The beneficiary's address.
    pub address: Option<String>,
    /// The due date.
    pub due: Option<String>,
    /// The notes.
    pub note: Option<String>,
}

/// A capture.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capture {
    /// On which SIM.
    pub sim: Option<String>,
    /// How much arrived.
    pub amount: String,
    /// `USD` if absent.
    pub currency: Option<String>,
    /// How much was handed out.
    pub cash: Option<String>,
    /// What the shop kept.
    pub fee: Option<String>,
    /// The operator's reference.
    pub reference: Option<String>,
    /// The client.
    pub client: Option<String>,
    /// Whether it is not confirmed yet.
    #[serde(default)]
    pub pending: bool,
}

/// A withdrawal.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Withdraw {
    /// From which SIM.
    pub sim: Option<String>,
    /// How much.
    pub amount: String,
    /// `USD` if absent.
    pub currency: Option<String>,
    /// The shop that owes the cash.
    pub owed_by: Option<String>,
}

/// A deposit.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deposit {
    /// From which SIM.
    pub sim: Option<String>,
    /// How much.
    pub amount: String,
    /// `USD` if absent.
    pub currency: Option<String>,
    /// The client's phone.
    pub phone: Option<String>,
}

/// A movement that is taken back.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reverse {
    /// What `as` called it.
    pub movement: String,
    /// Why.
    pub why: Option<String>,
}

/// A share that is given.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Give {
    /// Of which SIM.
    pub sim: Option<String>,
    /// How much.
    pub amount: String,
    /// `USD` if absent.
    pub currency: Option<String>,
    /// To which device.
    pub to: String,
}

/// A share that is asked for.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// Of which SIM.
    pub sim: Option<String>,
    /// How much.
    pub amount: String,
    /// `USD` if absent.
    pub currency: Option<String>,
}

/// A SIM that goes to another shop.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MoveSim {
    /// Which.
    pub sim: Option<String>,
    /// The name of the shop.
    pub to: String,
}

/// A device that is closed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Close {
    /// Which.
    pub device: String,
    /// Who takes over; the keeper if absent.
    pub successor: Option<String>,
    /// Whether a person insists before all others have said how far they hold its log.
    #[serde(default)]
    pub insist: bool,
}

/// A decision about a conflict: the only one of that kind that the device lists, of that credit or SIM if named.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resolve {
    /// Its kind.
    pub conflict: String,
    /// Of which credit.
    pub credit: Option<String>,
    /// Of which SIM.
    pub sim: Option<String>,
    /// `handled` (if absent), `give_back`, `reinstate`, `cancel`, `renumber=REFERENCE`, `take=N`.
    pub decision: Option<String>,
    /// Why.
    pub why: Option<String>,
}

/// Something that is expected at the end: of a credit, of a SIM, of the conflicts, or that all agree.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// What those devices show; every one that runs and may read it, if absent.
    pub on: Option<Names>,
    /// A credit: its reference, or what `as` called it.
    pub credit: Option<String>,
    /// Its status, the French word of the wire.
    pub status: Option<String>,
    /// What was paid.
    pub paid: Option<String>,
    /// What remains.
    pub remaining: Option<String>,
    /// What was paid beyond the amount.
    pub overpaid: Option<String>,
    /// Its reference as it is shown. `CRED-001~*` stands for the suffix that it has, whichever.
    pub reference: Option<String>,
    /// The beneficiary's name.
    pub name: Option<String>,
    /// Whether it is kept without effect.
    pub set_aside: Option<bool>,
    /// A SIM.
    pub sim: Option<String>,
    /// What it holds in US dollars.
    pub usd: Option<String>,
    /// What it holds in Congolese francs.
    pub cdf: Option<String>,
    /// What the device named by `on` may spend of it.
    pub share_usd: Option<String>,
    /// What the device named by `on` may spend of it.
    pub share_cdf: Option<String>,
    /// The whole list of conflicts, in any order.
    pub conflicts: Option<Vec<Listed>>,
    /// Whether all that may read the same show the same: digests, conflicts and their ids.
    pub agree: Option<bool>,
}

/// A conflict that is expected.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listed {
    /// Its kind.
    pub kind: String,
    /// Its credit: a reference, or what `as` called it.
    pub credit: Option<String>,
    /// Its SIM.
    pub sim: Option<String>,
    /// How it was decided: `cancelled`, `goes_on`, `overpaid`, `overdrawn`, `suffixed`, `renumbered`, `stands=N`,
    /// `all_count`, `no_effect`, and what else the program's outcomes are called.
    pub decided: Option<String>,
    /// The devices of its sides, in their order.
    pub sides: Option<Vec<String>>,
    /// What a person decided (`give_back`), or `no` if nobody has.
    pub handled: Option<String>,
}
