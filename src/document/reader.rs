//! Reads values out of the items of a change, by name and kind. It knows no operation.

use crate::document::layout::{Content, Item, Scalar};
use crate::model::{Holder, ShopId, Timestamp};
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
