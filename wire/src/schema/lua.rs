//! A schema as a table of Lua, from which the dissector of Wireshark (proto-spec/micronet.lua) knows the names of fields where the
//! capture doesn't say them. It has what decoding needs: no docs, constraints, access or HTTP.

use std::fmt::{self, Write as _};

use super::{EncodedSchema, Field, Method, Type};

impl EncodedSchema {
    /// The schema as a script of Lua: it adds a table to the global `micronet_schemas`, by the fingerprint.
    /// A name has letters, digits and `_` (SPEC.md 10.2), so nothing needs to be escaped. Several schemas can stand in one file.
    #[must_use]
    pub fn to_lua(&self) -> String {
        let mut lua = String::new();
        // A String takes all that is written to it.
        let _ = self.write_lua(&mut lua);
        lua
    }

    fn write_lua(&self, lua: &mut String) -> fmt::Result {
        let schema = self.schema();
        writeln!(
            lua,
            "-- The schema of the service {}, for Wireshark with proto-spec/micronet.lua.",
            schema.name
        )?;
        writeln!(lua, "_G.micronet_schemas = _G.micronet_schemas or {{}}")?;
        writeln!(lua, "_G.micronet_schemas[\"{}\"] = {{", self.fingerprint())?;
        writeln!(lua, "    name = \"{}\",\n    types = {{", schema.name)?;
        for (index, one) in schema.types.iter().enumerate() {
            writeln!(lua, "        [{index}] = {},", LuaType(one))?;
        }
        writeln!(lua, "    }},\n    methods = {{")?;
        for method in &schema.methods {
            writeln!(lua, "        [0x{:08x}] = {},", method.id, LuaMethod(method))?;
        }
        writeln!(lua, "    }},\n}}")
    }
}

struct LuaType<'s>(&'s Type);
struct LuaFields<'s>(&'s [Field]);
struct LuaMethod<'s>(&'s Method);

impl fmt::Display for LuaType<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Type::Decimal { scale } => write!(f, "{{ \"Decimal\", {scale} }}"),
            Type::Option { item } => write!(f, "{{ \"Option\", {item} }}"),
            Type::List { item } => write!(f, "{{ \"List\", {item} }}"),
            Type::Map { key, value } => write!(f, "{{ \"Map\", {key}, {value} }}"),
            Type::Struct { name, fields, .. } => {
                write!(f, "{{ \"Struct\", \"{name}\", {} }}", LuaFields(fields))
            }
            Type::Enum { name, variants, .. } => {
                write!(f, "{{ \"Enum\", \"{name}\", {{")?;
                for variant in variants {
                    write!(f, " {{ \"{}\", {} }},", variant.name, LuaFields(&variant.fields))?;
                }
                f.write_str(" } }")
            }
            // The others have neither fields nor parts: `Unit` is { "Unit" }.
            plain => write!(f, "{{ \"{plain:?}\" }}"),
        }
    }
}

impl fmt::Display for LuaFields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for field in self.0 {
            let secret = if field.format == "password" { ", secret = true" } else { "" };
            write!(f, " {{ \"{}\", {}{secret} }},", field.name, field.of)?;
        }
        f.write_str(" }")
    }
}

impl fmt::Display for LuaMethod<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Method { name, request, reply, shape, .. } = self.0;
        write!(f, "{{ name = \"{name}\", request = {request}, reply = {reply}, ")?;
        if let Some(error) = self.0.error {
            write!(f, "error = {error}, ")?;
        }
        write!(f, "shape = \"{shape:?}\" }}")
    }
}

#[cfg(test)]
mod tests {
    use super::super::{CallShape, Message, Timestamp, TypeRegistry};
    use super::*;
    use crate::schema::{Access, Idempotency, Media, ServiceSchema, method_id};

    /// What of it there is.
    #[derive(Message, Debug)]
    enum Left {
        /// Nothing.
        Nothing,
        /// So many.
        Some {
            /// How many.
            count: u32,
        },
    }

    /// A thing.
    #[derive(Message, Debug)]
    struct Thing {
        name: String,
        #[field(secret)]
        code: String,
        left: Vec<Left>,
        since: Option<Timestamp>,
    }

    #[test]
    fn every_part_has_its_place() {
        let mut types = TypeRegistry::default();
        let (unit, thing) = (<()>::describe(&mut types), Thing::describe(&mut types));
        let method = Method {
            id: method_id("things.all"),
            name: "all".into(),
            doc: "\"quoted\"".into(),
            request: unit,
            reply: thing,
            error: None,
            shape: CallShape::ServerStream,
            idempotency: Idempotency::Idempotent,
            access: Access::Public,
            rate_class: "api".into(),
            http: Vec::new(),
            http_status: 200,
            media: Media::Json,
            cache: String::new(),
            errors: Vec::new(),
        };
        let schema = ServiceSchema {
            name: "things".into(),
            doc: String::new(),
            types: types.into_types(),
            methods: vec![method],
        };
        let schema = EncodedSchema::new(schema).expect("it is one");
        let lua = schema.to_lua();
        for part in [
            &format!("_G.micronet_schemas[\"{}\"] = {{", schema.fingerprint()),
            "[0] = { \"Unit\" },",
            "{ \"Enum\", \"Left\", { { \"Nothing\", { } }, { \"Some\", { { \"count\", 2 }, } }, } },",
            "{ \"Struct\", \"Thing\", { { \"name\", 1 }, { \"code\", 1, secret = true }, { \"left\", 4 }, { \"since\", 6 }, } },",
            "{ \"Option\", 5 },",
            "[0x2541c41d] = { name = \"all\", request = 0, reply = 7, shape = \"ServerStream\" },",
        ] {
            assert!(lua.contains(part), "{part} isn't in\n{lua}");
        }
        assert_eq!(lua.matches('{').count(), lua.matches('}').count());
    }
}
