//! What is wrong with a scenario before anything of it is played: where, and why.

/// Which part of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The file as a whole.
    File,
    /// A shop, counted from 0.
    Shop(usize),
    /// A device, counted from 0.
    Device(usize),
    /// A SIM, counted from 0.
    Sim(usize),
    /// A step, counted from 0.
    Step(usize),
    /// An expectation, counted from 0.
    Expect(usize),
}

/// What may be named in a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noun {
    /// A device.
    Device,
    /// A shop.
    Shop,
    /// A SIM.
    Sim,
    /// A copy of a disk.
    Copy,
    /// What `as` called a payment or movement.
    Named,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// There is no shop, or no device.
    Nothing(Noun),
    /// More than a laboratory holds.
    TooMany(Noun),
    /// Something is named that there is not, at that point of the story.
    Unknown(Noun, String),
    /// Two things have one name.
    Twice(Noun, String),
    /// A word is not one that is understood there.
    Unreadable {
        /// Which key.
        key: &'static str,
        /// What stands there.
        text: String,
        /// What may stand there.
        expected: &'static str,
    },
    /// A step has no action.
    NoAction,
    /// A step has several actions.
    SeveralActions(Vec<&'static str>),
    /// An operation without the device that does it.
    NoDoer(&'static str),
    /// `by`, `agent`, `as` or `refused` beside an action that is no operation.
    NotAnOperation(&'static str),
    /// The shop has several SIMs, or none: which one is meant is not said.
    WhichSim,
    /// An expectation of nothing, or of several things at once.
    ExpectsWhat,
}

/// Something that is wrong with a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// Where.
    pub place: Place,
    /// What.
    pub why: Why,
}

impl Wrong {
    /// At that place, for that reason.
    pub fn at(place: Place, why: Why) -> Wrong {
        Wrong { place, why }
    }
}
