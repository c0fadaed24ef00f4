//! The fields of one row: present, absent or empty, and of the right type. Each refusal names its field.

use serde_json::value::RawValue;

use super::members::{Members, MembersFault};
use super::{RowContext, RowRefusal, WireTime, money_in_french, number};
use crate::model::{ShopId, SimNumber, Timestamp};
use crate::money::{Amount, Currency};

/// Ids stay below 2^53, so that every JSON reader keeps them.
const ID_LIMIT: u64 = 1 << 53;

/// One row, and what is needed to read it.
pub(super) struct Row<'a> {
    members: Members<'a>,
    context: RowContext,
}

impl<'a> Row<'a> {
    pub(super) fn new(raw: &'a RawValue, context: RowContext) -> Result<Row<'a>, RowRefusal> {
        let members = Members::read(raw.get()).map_err(|fault| match fault {
            MembersFault::NotAnObject => RowRefusal::new("", "la ligne n'est pas un objet JSON"),
            MembersFault::Duplicate { field } => RowRefusal::new(&field, "le champ est écrit deux fois"),
            MembersFault::Syntax { .. } => RowRefusal::new("", "la ligne n'est pas du JSON lisible"),
        })?;
        Ok(Row { members, context })
    }

    /// The value as it was written; absent if it is missing, `null` or an empty string.
    fn written(&self, field: &str) -> Option<&'a str> {
        self.members.get(field).map(RawValue::get).filter(|text| !matches!(*text, "null" | "\"\""))
    }

    /// A text that may be absent; white space alone is as good as absent.
    pub(super) fn text(&self, field: &str) -> Result<Option<String>, RowRefusal> {
        let Some(written) = self.written(field) else { return Ok(None) };
        let text: String =
            serde_json::from_str(written).map_err(|_| RowRefusal::new(field, "doit être un texte JSON lisible"))?;
        Ok(Some(text).filter(|text| !text.trim().is_empty()))
    }

    /// A text that must be there.
    pub(super) fn required_text(&self, field: &str) -> Result<String, RowRefusal> {
        self.text(field)?.ok_or_else(|| missing(field))
    }

    /// A number's text, written as a number or as a string.
    fn number_text(&self, field: &str) -> Result<Option<String>, RowRefusal> {
        let Some(written) = self.written(field) else { return Ok(None) };
        match written.as_bytes().first() {
            Some(b'"') => self.text(field),
            Some(b'-' | b'0'..=b'9') => Ok(Some(written.to_owned())),
            _ => Err(RowRefusal::new(field, "doit être un nombre")),
        }
    }

    /// An id from 1, if there is one.
    pub(super) fn id(&self, field: &str) -> Result<Option<u64>, RowRefusal> {
        let Some(text) = self.number_text(field)? else { return Ok(None) };
        number::integer(&text)
            .filter(|id| (1..ID_LIMIT).contains(id))
            .map(Some)
            .ok_or_else(|| RowRefusal::new(field, "doit être un nombre entier à partir de 1, inférieur à 2^53"))
    }

    /// An id that must be there.
    pub(super) fn required_id(&self, field: &str) -> Result<u64, RowRefusal> {
        self.id(field)?.ok_or_else(|| missing(field))
    }

    /// A shop's number, if there is one.
    pub(super) fn shop(&self, field: &str) -> Result<Option<ShopId>, RowRefusal> {
        let number = self.id(field)?;
        let narrow = |id: u64| u32::try_from(id).map_err(|_| RowRefusal::new(field, "n'est pas un numéro de shop"));
        Ok(number.map(narrow).transpose()?.map(ShopId))
    }

    /// A shop's number that must be there.
    pub(super) fn required_shop(&self, field: &str) -> Result<ShopId, RowRefusal> {
        self.shop(field)?.ok_or_else(|| missing(field))
    }

    /// A SIM's number that must be there.
    pub(super) fn sim(&self, field: &str) -> Result<SimNumber, RowRefusal> {
        let text = self.required_text(field)?;
        SimNumber::new(&text).map_err(|error| RowRefusal::of_field(&error, &[("sim", field)]))
    }

    /// `devise`: USD if it is absent.
    pub(super) fn currency(&self) -> Result<Currency, RowRefusal> {
        match self.text("devise")? {
            None => Ok(Currency::Usd),
            Some(text) => Currency::parse(&text).map_err(|fault| RowRefusal::new("devise", money_in_french(&fault))),
        }
    }

    /// An amount from zero, if there is one.
    pub(super) fn amount(&self, field: &str, currency: Currency) -> Result<Option<Amount>, RowRefusal> {
        let Some(text) = self.number_text(field)? else { return Ok(None) };
        number::amount(&text, currency).map(Some).map_err(|fault| RowRefusal::new(field, money_in_french(&fault)))
    }

    /// An amount above zero that must be there.
    pub(super) fn positive_amount(&self, field: &str, currency: Currency) -> Result<Amount, RowRefusal> {
        let amount = self.amount(field, currency)?.ok_or_else(|| missing(field))?;
        if amount.is_zero() {
            return Err(RowRefusal::new(field, "doit être supérieur à zéro"));
        }
        Ok(amount)
    }

    /// A time, if there is one.
    pub(super) fn time(&self, field: &str) -> Result<Option<Timestamp>, RowRefusal> {
        let Some(text) = self.text(field)? else { return Ok(None) };
        WireTime::read(text.trim()).and_then(|time| time.instant(self.context.zone)).map(Some).ok_or_else(|| {
            let shown: String = text.chars().take(40).collect();
            RowRefusal::new(field, format!("« {shown} » n'est pas une date du calendrier"))
        })
    }

    /// When something happened. A stamp in the future is not believed: then it happened now at the latest.
    pub(super) fn past_time(&self, field: &str) -> Result<Timestamp, RowRefusal> {
        let time = self.time(field)?.ok_or_else(|| missing(field))?;
        Ok(time.min(self.context.now))
    }

    /// A stamp, if there is one and it is not in the future.
    pub(super) fn believed_time(&self, field: &str) -> Result<Option<Timestamp>, RowRefusal> {
        Ok(self.time(field)?.filter(|time| *time <= self.context.now))
    }

    /// One of a few words, if there is one.
    pub(super) fn word<T: Copy>(&self, field: &str, words: &[(&str, T)]) -> Result<Option<T>, RowRefusal> {
        let Some(text) = self.text(field)? else { return Ok(None) };
        words.iter().find(|(word, _)| *word == text.trim()).map(|(_, value)| Some(*value)).ok_or_else(|| {
            let shown: String = text.chars().take(32).collect();
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            RowRefusal::new(field, format!("« {shown} » est inconnu ; sont connus : {}", known.join(", ")))
        })
    }

    /// Who did it: the name, else the number, as the old server knew them.
    pub(super) fn agent(&self, number_field: &str) -> Result<Option<String>, RowRefusal> {
        if let Some(name) = self.text("agent_username")? {
            return Ok(Some(name));
        }
        Ok(self.id(number_field)?.map(|number| format!("agent {number}")))
    }
}

/// The refusal of a field that is not there.
pub(super) fn missing(field: &str) -> RowRefusal {
    RowRefusal::new(field, "est obligatoire et manque")
}
