//! Where a stream of replies goes on after it broke (SPEC.md 10.13): the field of the request that says behind which reply, and that of
//! each reply which says where it stands.

use bytes::{BufMut, Bytes, BytesMut};

use super::binary::{BinaryReader, put_unsigned};
use crate::schema::{CallShape, Field, Method, ServiceSchema, Type, TypeRef};

/// The request's field.
const AFTER: &str = "after";
/// The replies' field.
const THROUGH: &str = "through";

/// By which fields a method's streams go on. They are those of one schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resumption {
    request: TypeRef,
    reply: TypeRef,
    /// The places of the fields in their structs.
    after: usize,
    through: usize,
}

impl Resumption {
    /// The fields of a method whose streams can go on: `after` of its request, an option of a `u64`, and `through` of its replies, a `u64`.
    #[must_use]
    pub fn of(schema: &ServiceSchema, method: &Method) -> Option<Self> {
        let place = |of: TypeRef, name: &str| fields(schema, of).iter().position(|field| field.name == name);
        let described = |of: TypeRef, at: usize| schema.type_at(fields(schema, of)[at].of);
        let is_number = |of: Option<&Type>| matches!(of, Some(Type::U64));
        let (request, reply) = (method.request, method.reply);
        let (after, through) = (place(request, AFTER)?, place(reply, THROUGH)?);
        let asks = match described(request, after) {
            Some(Type::Option { item }) => is_number(schema.type_at(*item)),
            _ => false,
        };
        let fits = method.shape == CallShape::ServerStream && asks && is_number(described(reply, through));
        fits.then_some(Self { request, reply, after, through })
    }

    /// Where a reply stands; `None` for bytes that are no reply.
    #[must_use]
    pub fn through(&self, schema: &ServiceSchema, reply: &[u8]) -> Option<u64> {
        let mut reader = BinaryReader::new(reply);
        pass(&mut reader, schema, &fields(schema, self.reply)[..self.through])?;
        reader.unsigned(64).ok()
    }

    /// The request for what comes behind a reply that stands there; `None` for bytes that are no request.
    #[must_use]
    pub fn request_after(&self, schema: &ServiceSchema, request: &[u8], after: u64) -> Option<Bytes> {
        let mut reader = BinaryReader::new(request);
        let fields = fields(schema, self.request);
        pass(&mut reader, schema, &fields[..self.after])?;
        let before = reader.offset();
        pass(&mut reader, schema, &fields[self.after..=self.after])?;
        let mut changed = BytesMut::with_capacity(request.len() + 9);
        changed.put_slice(&request[..before]);
        changed.put_u8(1);
        put_unsigned(&mut changed, after);
        changed.put_slice(&request[reader.offset()..]);
        Some(changed.freeze())
    }
}

fn fields(schema: &ServiceSchema, of: TypeRef) -> &[Field] {
    match schema.type_at(of) {
        Some(Type::Struct { fields, .. }) => fields,
        _ => &[],
    }
}

fn pass(reader: &mut BinaryReader<'_>, schema: &ServiceSchema, fields: &[Field]) -> Option<()> {
    fields.iter().try_for_each(|field| reader.skip(schema, field.of)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::{decode, encode};
    use crate::error::RpcError;
    use crate::schema::Message;
    use crate::service::{CallContext, Outgoing, service};

    #[derive(Message, Debug, Clone, PartialEq, Eq)]
    struct Watch {
        name: String,
        after: Option<u64>,
        most: u32,
    }

    #[derive(Message, Debug, Clone, PartialEq, Eq)]
    struct News {
        words: Vec<String>,
        through: u64,
    }

    #[derive(Message, Debug, Clone, PartialEq, Eq)]
    struct Plain {
        through: u32,
    }

    #[service(name = "feed")]
    #[expect(dead_code, reason = "only its schema is wanted")]
    trait Feed {
        #[rpc(public)]
        async fn watch(
            &self,
            c: &CallContext,
            request: Watch,
            replies: Outgoing<News>,
        ) -> Result<(), RpcError>;
        #[rpc(public)]
        async fn plain(
            &self,
            c: &CallContext,
            request: Watch,
            replies: Outgoing<Plain>,
        ) -> Result<(), RpcError>;
        #[rpc(public)]
        async fn one(&self, c: &CallContext, request: Watch) -> Result<News, RpcError>;
    }

    #[test]
    fn a_request_is_moved_to_where_a_reply_stands() {
        let schema = feed_schema();
        let resumption =
            |name: &str| Resumption::of(&schema, schema.method_named(name).expect("it is there"));
        let watch = resumption("watch").expect("it can go on");
        assert_eq!((resumption("plain"), resumption("one")), (None, None));
        let reply = encode(&News { words: vec!["a".into(), "b".into()], through: 70_000 }).expect("short");
        assert_eq!(watch.through(&schema, &reply), Some(70_000));
        assert_eq!(watch.through(&schema, &reply[..2]), None);
        for after in [None, Some(7), Some(u64::MAX)] {
            let request = encode(&Watch { name: "Tux".into(), after, most: 9 }).expect("short");
            let moved = watch.request_after(&schema, &request, 70_000).expect("a request");
            let expected = Watch { name: "Tux".into(), after: Some(70_000), most: 9 };
            assert_eq!(decode::<Watch>(&moved).expect("a request"), expected);
            assert_eq!(watch.request_after(&schema, &request[..3], 1), None);
        }
    }
}
