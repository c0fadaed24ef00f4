//! What one route takes and answers, written where the route is added. [`Routes`](crate::http::Routes) takes no route
//! without one, so that an undocumented route does not compile.
//!
//! What follows from the route itself is not said again: its path's parameters, what its access and its body may be
//! refused for. Those are added when the document is made.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Value, json};

/// A way to a type's schema.
pub(super) type Shape = fn(&mut SchemaGenerator) -> Schema;

fn shape_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

fn shape_of_file(_: &mut SchemaGenerator) -> Schema {
    schemars::json_schema!({ "description": "A file." })
}

/// What a route takes and answers.
#[derive(Clone, Debug)]
pub struct Operation {
    pub(super) french: &'static str,
    pub(super) english: &'static str,
    pub(super) parameters: Vec<Member>,
    pub(super) body: Option<RequestBody>,
    pub(super) has_key: bool,
    pub(super) answers: Vec<Answered>,
    pub(super) codes: Vec<&'static str>,
}

/// An answer that is not no.
#[derive(Clone, Debug)]
pub(super) struct Answered {
    pub(super) status: u16,
    /// What it holds and how that is called, where it holds something.
    pub(super) content: Option<(&'static str, Shape)>,
}

/// A parameter of a query, or a field of a body.
#[derive(Clone, Debug)]
pub struct Member {
    pub(super) name: &'static str,
    pub(super) schema: Value,
    pub(super) required: bool,
}

/// A body of JSON.
#[derive(Clone, Debug, Default)]
pub struct RequestBody {
    pub(super) members: Vec<Member>,
    pub(super) examples: Vec<Value>,
}

impl Operation {
    /// An operation, in a sentence of each language.
    pub(in crate::http) fn new(french: &'static str, english: &'static str) -> Operation {
        Operation {
            french,
            english,
            parameters: Vec::new(),
            body: None,
            has_key: false,
            answers: Vec::new(),
            codes: Vec::new(),
        }
    }

    /// Takes a parameter in its query. An empty one is as good as absent, as forms send every field.
    pub(in crate::http) fn query(mut self, name: &'static str, schema: Value) -> Operation {
        let schema = json!({ "anyOf": [schema, { "type": "string", "maxLength": 0 }] });
        self.parameters.push(Member { name, schema, required: false });
        self
    }

    /// Takes that body.
    pub(in crate::http) fn body(mut self, body: RequestBody) -> Operation {
        self.body = Some(body);
        self
    }

    /// Takes an `Idempotency-Key`.
    pub(in crate::http) fn keyed(mut self) -> Operation {
        self.has_key = true;
        self
    }

    /// Answers 200 with that.
    pub(in crate::http) fn shows<T: JsonSchema>(self) -> Operation {
        self.answers(200, Some(("application/json", shape_of::<T>)))
    }

    /// Answers 201 with that, and where it stands.
    pub(in crate::http) fn creates<T: JsonSchema>(self) -> Operation {
        self.answers(201, Some(("application/json", shape_of::<T>)))
    }

    /// Answers 204.
    pub(in crate::http) fn says_nothing(self) -> Operation {
        self.answers(204, None)
    }

    /// Answers 200 with a text of that media type.
    pub(in crate::http) fn sends(self, media_type: &'static str) -> Operation {
        self.answers(200, Some((media_type, shape_of::<String>)))
    }

    /// Answers 200 with a file of that media type, whose inside is described elsewhere. Said more than once, of one of
    /// these types.
    pub(in crate::http) fn sends_file(self, media_type: &'static str) -> Operation {
        self.answers(200, Some((media_type, shape_of_file)))
    }

    /// Answers 304 to who has it already.
    pub(in crate::http) fn or_unchanged(self) -> Operation {
        self.answers(304, None)
    }

    fn answers(mut self, status: u16, content: Option<(&'static str, Shape)>) -> Operation {
        self.answers.push(Answered { status, content });
        self
    }

    /// May be refused with those codes, beside what follows from the route itself.
    pub(in crate::http) fn refuses(mut self, codes: &[&'static str]) -> Operation {
        self.codes.extend(codes);
        self
    }

    /// May be refused for naming a shop that a token does not hold for.
    pub(in crate::http) fn scoped(self) -> Operation {
        self.refuses(&["shop_outside_token"])
    }
}

impl RequestBody {
    /// An empty one.
    pub(in crate::http) fn new() -> RequestBody {
        RequestBody::default()
    }

    /// A field that must be there.
    pub(in crate::http) fn needs(mut self, name: &'static str, schema: Value) -> RequestBody {
        self.members.push(Member { name, schema, required: true });
        self
    }

    /// A field that may be there; `null` is as good as absent, but where an edit takes a value away by it.
    pub(in crate::http) fn may(mut self, name: &'static str, schema: Value) -> RequestBody {
        self.members.push(Member { name, schema: json!({ "anyOf": [schema, { "type": "null" }] }), required: false });
        self
    }

    /// An example; its first is what a reader may try.
    pub(in crate::http) fn example(mut self, example: Value) -> RequestBody {
        self.examples.push(example);
        self
    }

    /// Its schema. What is not named is refused, as the handlers refuse it.
    pub(in crate::http) fn schema(&self) -> Value {
        let members = self.members.iter().map(|member| (member.name.to_owned(), member.schema.clone()));
        let required: Vec<&str> =
            self.members.iter().filter(|member| member.required).map(|member| member.name).collect();
        let properties: serde_json::Map<String, Value> = members.collect();
        json!({
            "type": "object", "properties": properties, "required": required, "additionalProperties": false,
        })
    }
}
