//! What a command line tells of a simulated company, whatever its seed draws.

use crate::lab::{
    DAYS_MAX, DEVICES_MAX, INVARIANTS, OPERATIONS_MAX, Overrides, Places, SHOPS_MAX, STEP_FAULTS, WORLD_INVARIANTS,
};

#[derive(Debug, Default, clap::Args)]
pub(super) struct Told {
    /// Le nombre d'appareils.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(DEVICES_MAX)))]
    devices: Option<u32>,
    /// Le nombre d'agences, au plus celui des appareils.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(SHOPS_MAX)))]
    shops: Option<u32>,
    /// Le nombre de jours.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(DAYS_MAX)))]
    days: Option<u32>,
    /// Le nombre d'opérations.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=i64::from(OPERATIONS_MAX)))]
    operations: Option<u32>,
    /// La dureté du monde : none, light, heavy, ou de 0 à 1000.
    #[arg(long, value_name = "HOW", value_parser = faults)]
    faults: Option<u32>,
    /// Des disques qui disent avoir écrit et ne l'ont pas fait : rien ne peut tenir, et cela doit se voir.
    #[arg(long)]
    lying_disks: bool,
    /// Ne pas regarder cet invariant ; peut être répété.
    #[arg(long = "skip", value_name = "INVARIANT", value_parser = invariant)]
    skipped: Vec<String>,
    /// Ne faire que ces opérations de celles qui sont tirées : « 3,17-20 », ou « none ».
    #[arg(long, value_name = "PLACES", value_parser = places)]
    only_operations: Option<Places>,
    /// Ne laisser arriver que ces pannes de celles qui sont prévues.
    #[arg(long, value_name = "PLACES", value_parser = places)]
    only_faults: Option<Places>,
    /// Aucune panne de ces sortes dans le courant du travail : power_cuts,frames_late...
    #[arg(long, value_name = "KINDS", value_delimiter = ',', value_parser = calm)]
    calm: Vec<String>,
}

impl Told {
    pub fn overrides(&self) -> Overrides {
        let Told { devices, shops, days, operations, faults, lying_disks, .. } = *self;
        Overrides {
            devices,
            shops,
            days,
            operations,
            faults,
            lying_disks,
            skipped: self.skipped.clone(),
            only_operations: self.only_operations.clone(),
            only_faults: self.only_faults.clone(),
            calm: self.calm.clone(),
        }
    }
}

fn faults(text: &str) -> Result<u32, String> {
    match text {
        "none" => Ok(0),
        "light" => Ok(200),
        "heavy" => Ok(1_000),
        other => {
            other.parse().ok().filter(|rate| *rate <= 1_000).ok_or_else(|| "none, light, heavy, 0..1000".to_owned())
        }
    }
}

/// The name of something that the lab holds to. A mistyped one would skip nothing, unnoticed.
fn invariant(text: &str) -> Result<String, String> {
    let mut known = INVARIANTS.iter().map(|invariant| invariant.name).chain(WORLD_INVARIANTS);
    if known.any(|name| name == text) { Ok(text.to_owned()) } else { Err("no invariant has this name".to_owned()) }
}

fn places(text: &str) -> Result<Places, String> {
    Places::parse(text).ok_or_else(|| "3,17-20, none".to_owned())
}

/// The name of a kind of fault that can be left out. A mistyped one would leave out nothing, unnoticed.
fn calm(text: &str) -> Result<String, String> {
    if STEP_FAULTS.contains(&text) { Ok(text.to_owned()) } else { Err(STEP_FAULTS.join(", ")) }
}
