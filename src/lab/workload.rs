//! What the company's people do, from one seed. (A stand-in.)

use crate::lab::{Cast, Draw};
use crate::ledger::CreditFilter;
use crate::membership::Role;
use crate::model::{
    Beneficiary, BeneficiaryKind, Capture, CaptureState, MovementKind, PaymentMode, Reference, Timestamp,
};
use crate::money::{Amount, Currency};
use crate::replica::{Command, GrantRequest, Replica};
use crate::store::Store;

/// A command, and under which idempotency key.
#[derive(Clone, Debug)]
pub struct Asked {
    /// What.
    pub command: Command,
    /// Its key.
    pub key: Option<String>,
}

/// What people do and when.
#[derive(Debug)]
pub struct Workload {
    draw: Draw,
    cast: Cast,
    moments: Vec<(i64, usize)>,
}

impl Workload {
    /// So many operations, spread over so many days.
    pub fn new(draw: Draw, cast: &Cast, days: u32, operations: u32) -> Workload {
        let mut own = draw.child("moments");
        let at = |own: &mut Draw| {
            let day = own.between(0, i64::from(days) - 1);
            (
                day * 86_400_000 + own.between(8 * 3_600_000, 18 * 3_600_000),
                own.below(cast.devices.len() as u64) as usize,
            )
        };
        let mut moments: Vec<(i64, usize)> = (0..operations).map(|_| at(&mut own)).collect();
        moments.sort_unstable();
        Workload { draw: draw.child("acts"), cast: cast.clone(), moments }
    }

    /// When who acts.
    pub fn moments(&self) -> &[(i64, usize)] {
        &self.moments
    }

    /// What the device's people do at that moment.
    pub fn act<S: Store>(&mut self, moment: usize, device: usize, replica: &Replica<S>, _now: Timestamp) -> Vec<Asked> {
        let one = &self.cast.devices[device];
        if one.role < Role::Device {
            return Vec::new();
        }
        let sims: Vec<_> = self.cast.sims.iter().filter(|sim| sim.shop == one.shop).collect();
        let Some(sim) = self.draw.pick(&sims) else { return Vec::new() };
        let cents = self.draw.between(1, 5_000);
        let Ok(amount) = Amount::parse(&format!("{}.{:02}", cents / 100, cents % 100), Currency::Usd) else {
            return Vec::new();
        };
        let _ = CreditFilter::default();
        let command = match self.draw.below(3) {
            0 => {
                let Ok(reference) = Reference::new(&format!("R{moment}")) else { return Vec::new() };
                Command::Grant(GrantRequest {
                    reference,
                    amount,
                    sim: sim.number.clone(),
                    beneficiary: Beneficiary {
                        name: "Amani".to_owned(),
                        phone: None,
                        address: None,
                        kind: BeneficiaryKind::Partner,
                        shop: None,
                    },
                    due_at: None,
                    notes: None,
                    agent: None,
                })
            }
            1 => {
                let number = self.draw.below(moment as u64 + 1);
                let _ = replica.book();
                Command::Pay {
                    credit: format!("R{number}"),
                    amount: "1.00".to_owned(),
                    mode: PaymentMode::Cash,
                    reference: None,
                    agent: None,
                }
            }
            _ => Command::Move {
                sim: sim.number.clone(),
                kind: MovementKind::Capture(Capture {
                    amount,
                    cash: None,
                    fee: None,
                    reference: None,
                    client: None,
                    phone: None,
                    state: CaptureState::Validated,
                }),
                agent: None,
            },
        };
        vec![Asked { command, key: Some(format!("k{moment}")) }]
    }
}
