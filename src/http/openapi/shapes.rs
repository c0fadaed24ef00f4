//! The shapes of ids and words: how each stands in JSON. Structs have theirs derived; what is written here is what
//! `serde` cannot tell, and the words come from the same tables that read them.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::membership::{ReadScope, Role};
use crate::model::{
    BeneficiaryKind, ConflictId, ConflictKind, CreditId, CreditStatus, MovementId, PaymentId, PaymentMode, ShopId,
};
use crate::money::Currency;

macro_rules! shape {
    ($type:ty, $name:literal, $schema:expr) => {
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    };
}

fn words(words: impl IntoIterator<Item = &'static str>) -> Schema {
    json_schema!({ "type": "string", "enum": words.into_iter().collect::<Vec<_>>() })
}

fn id(prefix: &str) -> Schema {
    json_schema!({ "type": "string", "pattern": format!("^{prefix}_[a-z2-7]{{16}}$") })
}

shape!(ShopId, "ShopId", json_schema!({ "type": "integer", "minimum": 1, "maximum": u32::MAX }));
shape!(CreditId, "CreditId", id("cr"));
shape!(ConflictId, "ConflictId", id("cf"));
shape!(PaymentId, "PaymentId", id("pm"));
shape!(MovementId, "MovementId", id("mv"));
shape!(Currency, "Currency", words(Currency::ALL.map(Currency::code)));
shape!(ConflictKind, "ConflictKind", words(ConflictKind::ALL.iter().map(|kind| kind.word())));
shape!(CreditStatus, "CreditStatus", words(CreditStatus::ALL.iter().map(|status| status.word())));
shape!(PaymentMode, "PaymentMode", words(PaymentMode::ALL.iter().map(|mode| mode.word())));
shape!(BeneficiaryKind, "BeneficiaryKind", words(BeneficiaryKind::ALL.iter().map(|kind| kind.word())));
shape!(Role, "Role", words(Role::ALL.map(Role::word)));
shape!(ReadScope, "ReadScope", words(["own", "all"]));
