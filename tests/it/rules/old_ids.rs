//! Rows of the old server that an import refuses.

use ucash::model::{CreditStatus, Grant, Reference, ShopId};
use ucash::replica::{Answer, Command, ImportRow, ImportedCredit, RowOutcome};

use super::{Company, Office, SIM, START, money, number, request};

/// Rows that an import refuses, which no other command is refused for.
pub fn old_ids(company: &mut Company) {
    let row = |amount: &str| {
        let grant = Grant {
            reference: Reference::new("OLD").unwrap(),
            amount: money(amount),
            sim: number(SIM),
            beneficiary: request("X", SIM, "1").beneficiary,
            agent: None,
            granted_at: START,
            due_at: None,
            notes: None,
            old_id: Some(17),
            old_modified_at: None,
            reported: None,
        };
        let status = CreditStatus::Granted;
        ImportRow::Credit(ImportedCredit { shop: ShopId(1), grant, paid: None, cancelled: None, status })
    };
    company.counter.give(&mut company.office, "30");
    company.meet();
    for (amount, expected) in [("10", "ok"), ("11", "old_id_taken")] {
        let command = Command::Import { session: 1, dry_run: false, rows: vec![row(amount)] };
        let Some(Answer::Imported(outcomes)) = company.check(Office, "import", Ok(command), "ok") else {
            panic!("no outcomes");
        };
        match &outcomes[..] {
            [RowOutcome::Refused(refusal)] => {
                assert_eq!(refusal.code(), expected);
                company.seen.push(refusal.clone());
            }
            other => assert_eq!((other, expected), (&[RowOutcome::Created][..], "ok")),
        }
    }
}
