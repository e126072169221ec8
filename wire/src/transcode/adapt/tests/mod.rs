//! The rules of SPEC.md 10.10 to 10.12, each by an example; and all together by random schemas.

mod properties;
mod shapes;

use std::collections::BTreeMap;
use std::rc::Rc;

use super::ServiceAdapter;
use crate::encoding::{Decode, DecodeError, Decoder, Encode, EncodeError, Encoder, decode, encode};
use crate::error::{Code, Retry, RpcError};
use crate::limits::MESSAGE_BYTES_MAX;
use crate::schema::{
    Access, CallShape, Decimal, EncodedSchema, Field, Idempotency, Media, Message, Method, ServiceSchema,
    Timestamp, Type, TypeRef, TypeRegistry, method_id,
};

const ID: u32 = method_id("shelf.put");

/// A service with one method.
fn service(
    types: TypeRegistry,
    request: TypeRef,
    reply: TypeRef,
    error: Option<TypeRef>,
) -> Rc<EncodedSchema> {
    let method = Method {
        id: ID,
        name: "put".into(),
        doc: String::new(),
        request,
        reply,
        error,
        shape: CallShape::Unary,
        idempotency: Idempotency::No,
        access: Access::Public,
        rate_class: String::new(),
        http: Vec::new(),
        http_status: 200,
        media: Media::Json,
        cache: String::new(),
        errors: Vec::new(),
    };
    let types = types.into_types();
    let schema = ServiceSchema { name: "shelf".into(), doc: String::new(), types, methods: vec![method] };
    Rc::new(EncodedSchema::new(schema).unwrap())
}

fn asking<Q: Message>() -> Rc<EncodedSchema> {
    let mut types = TypeRegistry::default();
    let (request, reply) = (Q::describe(&mut types), <()>::describe(&mut types));
    service(types, request, reply, None)
}

fn answering<R: Message>() -> Rc<EncodedSchema> {
    let mut types = TypeRegistry::default();
    let (request, reply) = (<()>::describe(&mut types), R::describe(&mut types));
    service(types, request, reply, None)
}

fn failing<E: Message>(has_errors: bool) -> Rc<EncodedSchema> {
    let mut types = TypeRegistry::default();
    let (unit, error) = (<()>::describe(&mut types), E::describe(&mut types));
    service(types, unit, unit, has_errors.then_some(error))
}

/// A request of type `A` to a server whose request has type `B`.
fn asked<A: Message, B: Message>(request: &A) -> Result<B, RpcError> {
    let bytes = encode(request).unwrap();
    let adapted = match ServiceAdapter::new(&asking::<A>(), &asking::<B>()) {
        None => bytes,
        Some(service) => match service.method(ID)? {
            None => bytes,
            Some(method) => method.request(bytes)?,
        },
    };
    Ok(decode(&adapted).unwrap())
}

/// A reply of type `A` to a caller who knows it as `B`.
fn answered<A: Message, B: Message>(reply: &A) -> Result<B, RpcError> {
    let bytes = encode(reply).unwrap();
    let adapted = match ServiceAdapter::new(&answering::<B>(), &answering::<A>()) {
        None => bytes,
        Some(service) => match service.method(ID)? {
            None => bytes,
            Some(method) => method.reply(bytes)?,
        },
    };
    Ok(decode(&adapted).unwrap())
}

fn refused(words: &str) -> RpcError {
    RpcError::new(Code::SchemaMismatch, words)
}

fn executed(words: &str) -> RpcError {
    refused(words).retry(Retry::MaybeExecuted, 0)
}

/// Structs of one field, `value`.
#[derive(Debug, Clone, PartialEq)]
struct Of<T> {
    value: T,
}

impl<T: Encode> Encode for Of<T> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        self.value.encode(encoder)
    }
}

impl<T: Decode<()>> Decode<()> for Of<T> {
    fn decode<D: Decoder<Context = ()>>(decoder: &mut D) -> Result<Self, DecodeError> {
        Ok(Self { value: T::decode(decoder)? })
    }
}

impl<T: Message> Message for Of<T> {
    fn describe(types: &mut TypeRegistry) -> TypeRef {
        let fields = vec![Field { name: "value".into(), of: T::describe(types), ..Field::default() }];
        types.plain(Type::Struct { name: "Of".into(), doc: String::new(), fields })
    }
}

fn of<T: Message>(value: T) -> Of<T> {
    Of { value }
}

#[derive(Message, Debug, PartialEq)]
struct Toy {
    name: String,
    count: u8,
    note: Option<String>,
}

#[derive(Message, Debug, PartialEq)]
struct LaterToy {
    count: u32,
    note: Option<String>,
    colour: Option<String>,
    name: String,
}

#[test]
fn fields_go_by_name() {
    let toy = Toy { name: "Tux".into(), count: 200, note: Some("soft".into()) };
    let later = LaterToy { count: 200, note: Some("soft".into()), colour: None, name: "Tux".into() };
    assert_eq!(asked::<_, LaterToy>(&toy), Ok(later));
    let later = LaterToy { count: 7, note: None, colour: Some("red".into()), name: "Tux".into() };
    assert_eq!(answered::<_, Toy>(&later), Ok(Toy { name: "Tux".into(), count: 7, note: None }));
    let words = "shelf.put: request field \"colour\" is given, but unknown there";
    assert_eq!(asked::<_, Toy>(&later), Err(refused(words)));
    let later = LaterToy { colour: None, ..later };
    assert_eq!(asked::<_, Toy>(&later), Ok(Toy { name: "Tux".into(), count: 7, note: None }));
    let many = LaterToy { count: 300, ..later };
    let words = "shelf.put: request field \"count\" is 300, which doesn't fit U8 there";
    assert_eq!(asked::<_, Toy>(&many), Err(refused(words)));
    let words = "shelf.put: reply field \"count\" is 300, which doesn't fit U8 here";
    assert_eq!(answered::<_, Toy>(&many), Err(executed(words)));
}

#[derive(Message, Debug, PartialEq)]
struct Named {
    name: String,
}

#[derive(Message, Debug, PartialEq)]
struct Priced {
    name: String,
    price: Decimal<2>,
}

#[test]
fn what_one_side_needs_and_the_other_lacks_is_refused() {
    let (named, priced) = (of(vec![Named { name: "Tux".into() }]), of(vec![priced()]));
    let words = "shelf.put: request field \"value[].price\" is required there and unknown here";
    assert_eq!(asked::<_, Of<Vec<Priced>>>(&named), Err(refused(words)));
    let words = "shelf.put: request field \"value[].price\" is required here and unknown there";
    assert_eq!(asked::<_, Of<Vec<Named>>>(&priced), Err(refused(words)));
    let words = "shelf.put: reply field \"value[].price\" is required here and unknown there";
    assert_eq!(answered::<_, Of<Vec<Priced>>>(&named), Err(refused(words)));
    assert_eq!(answered::<_, Of<Vec<Named>>>(&priced), Ok(named));
    let words = "shelf.put: request field \"price\" is required there and unknown here";
    assert_eq!(
        asked::<_, Priced>(&()),
        Err(refused("shelf.put: request field \"name\" is required there and unknown here"))
    );
    assert_eq!(asked::<_, Priced>(&Named { name: "Tux".into() }), Err(refused(words)));
}

fn priced() -> Priced {
    Priced { name: "Tux".into(), price: Decimal(2599) }
}

#[derive(Message, Debug, PartialEq)]
struct Filter {
    name: Option<String>,
}

#[test]
fn unit_is_a_struct_without_fields() {
    assert_eq!(asked::<_, Filter>(&()), Ok(Filter { name: None }));
    assert_eq!(asked::<_, ()>(&Filter { name: None }), Ok(()));
    assert_eq!(answered::<_, ()>(&priced()), Ok(()));
    let words = "shelf.put: request field \"name\" is given, but unknown there";
    assert_eq!(asked::<_, ()>(&Filter { name: Some("Tux".into()) }), Err(refused(words)));
}

#[test]
fn options_and_values() {
    assert_eq!(asked(&of(7_u8)), Ok(of(Some(7_u8))));
    assert_eq!(asked(&of(Some(7_u8))), Ok(of(7_u16)));
    let words = "shelf.put: request field \"value\" is nothing, but required there";
    assert_eq!(asked::<_, Of<u16>>(&of(None::<u8>)), Err(refused(words)));
    assert_eq!(asked(&of(Some(-1_i8))), Ok(of(Some(-1_i64))));
    assert_eq!(asked(&of(None::<i8>)), Ok(of(None::<i64>)));
}

#[test]
fn integers_fit_or_are_refused() {
    assert_eq!(asked(&of(255_u8)), Ok(of(255_u16)));
    assert_eq!(asked(&of(u64::MAX)), Ok(of(u64::MAX)));
    assert_eq!(asked(&of(i8::MIN)), Ok(of(i64::from(i8::MIN))));
    assert_eq!(asked(&of(127_u64)), Ok(of(127_i8)));
    assert_eq!(asked(&of(-128_i64)), Ok(of(-128_i8)));
    assert_eq!(asked(&of(u64::from(u32::MAX))), Ok(of(u32::MAX)));
    let check = |outcome: Result<(), RpcError>, number: &str| {
        let words = format!("shelf.put: request field \"value\" is {number} there");
        assert_eq!(outcome, Err(refused(&words)));
    };
    check(asked::<_, Of<i8>>(&of(128_u64)).map(drop), "128, which doesn't fit I8");
    check(asked::<_, Of<i8>>(&of(-129_i64)).map(drop), "-129, which doesn't fit I8");
    check(asked::<_, Of<u64>>(&of(-1_i8)).map(drop), "-1, which doesn't fit U64");
    check(asked::<_, Of<i64>>(&of(u64::MAX)).map(drop), "18446744073709551615, which doesn't fit I64");
    check(asked::<_, Of<u16>>(&of(65_536_u32)).map(drop), "65536, which doesn't fit U16");
}

#[test]
fn decimals_are_never_rounded() {
    assert_eq!(asked(&of(Decimal::<2>(-2599))), Ok(of(Decimal::<4>(-259_900))));
    assert_eq!(asked(&of(Decimal::<4>(-259_900))), Ok(of(Decimal::<2>(-2599))));
    assert_eq!(asked(&of(Decimal::<0>(9))), Ok(of(Decimal::<18>(9_000_000_000_000_000_000))));
    let words = "shelf.put: request field \"value\" is 25.9901, which doesn't fit Decimal(2) there";
    assert_eq!(asked::<_, Of<Decimal<2>>>(&of(Decimal::<4>(259_901))), Err(refused(words)));
    let words = "shelf.put: request field \"value\" is 10, which doesn't fit Decimal(18) there";
    assert_eq!(asked::<_, Of<Decimal<18>>>(&of(Decimal::<0>(10))), Err(refused(words)));
}

#[test]
fn lists_and_maps() {
    assert_eq!(asked(&of(vec![1_u8, 255])), Ok(of(vec![1_u64, 255])));
    let map = |keys: &[i64]| of(keys.iter().map(|key| (*key, *key)).collect::<BTreeMap<i64, i64>>());
    assert_eq!(asked(&map(&[-3, 5])), Ok(of(BTreeMap::from([(-3_i8, Some(-3_i16)), (5, Some(5))]))));
    let words = "shelf.put: request field \"value[\"-3\"]\" is -3, which doesn't fit U8 there";
    assert_eq!(asked::<_, Of<BTreeMap<u8, i64>>>(&map(&[-3])), Err(refused(words)));
    let words = "shelf.put: request field \"value[]\" is I64 here and String there";
    assert_eq!(asked::<_, Of<BTreeMap<String, i64>>>(&map(&[])), Err(refused(words)));
    let words = "shelf.put: request field \"value[1]\" is 256, which doesn't fit U8 there";
    assert_eq!(asked::<_, Of<Vec<u8>>>(&of(vec![1_u64, 256])), Err(refused(words)));
}

#[test]
fn other_types_are_refused() {
    let check = |outcome: Result<(), RpcError>, words: &str| {
        let words = format!("shelf.put: request field \"value\" is {words}");
        assert_eq!(outcome, Err(refused(&words)));
    };
    check(asked::<_, Of<String>>(&of(1_u32)).map(drop), "U32 here and String there");
    check(asked::<_, Of<Timestamp>>(&of(1_i64)).map(drop), "I64 here and Timestamp there");
    check(asked::<_, Of<Decimal<0>>>(&of(1_i64)).map(drop), "I64 here and Decimal(0) there");
    check(asked::<_, Of<Toy>>(&of(vec![1_u8])).map(drop), "List here and the Struct Toy there");
    check(asked::<_, Of<bool>>(&of(State::New)).map(drop), "the Enum State here and Bool there");
    let words = "shelf.put: reply field \"value\" is String here and U32 there";
    assert_eq!(answered::<_, Of<String>>(&of(1_u32)), Err(refused(words)));
}

#[derive(Message, Debug, Clone, PartialEq)]
enum State {
    New,
    Shipped { carrier: String, days: u8 },
    Unknown,
}

#[derive(Message, Debug, Clone, PartialEq)]
enum LaterState {
    Frozen { reason: String },
    Shipped { carrier: String, parcels: Option<u8>, days: u16 },
    New,
}

#[test]
fn variants_go_by_name_and_new_ones_are_unknown() {
    let shipped = State::Shipped { carrier: "DHL".into(), days: 3 };
    let later = LaterState::Shipped { carrier: "DHL".into(), parcels: None, days: 3 };
    assert_eq!(asked(&of(shipped.clone())), Ok(of(later.clone())));
    assert_eq!(answered(&of(later)), Ok(of(shipped)));
    assert_eq!(answered(&of(LaterState::New)), Ok(of(State::New)));
    let frozen = of(vec![LaterState::Frozen { reason: "customs".into() }, LaterState::New]);
    assert_eq!(answered(&frozen), Ok(of(vec![State::Unknown, State::New])));
    let words = "shelf.put: request field \"value\" is Unknown, a variant that is unknown there";
    assert_eq!(asked::<_, Of<LaterState>>(&of(State::Unknown)), Err(refused(words)));
    let words = "shelf.put: reply field \"value\" is Frozen, a variant that is unknown here";
    let frozen = of(LaterState::Frozen { reason: String::new() });
    assert_eq!(answered::<_, Of<Strict>>(&frozen), Err(executed(words)));
}

#[derive(Message, Debug, PartialEq)]
enum Strict {
    New,
    /// With fields it stands for nothing else.
    Unknown {
        text: String,
    },
}

#[derive(Message, Debug, PartialEq)]
enum Other {
    Full,
    Shipped { carrier: u8 },
}

#[test]
fn enums_that_have_nothing_in_common_are_refused() {
    let words = "shelf.put: request field \"value.Shipped.carrier\" is String here and U8 there";
    assert_eq!(asked::<_, Of<Other>>(&of(State::New)), Err(refused(words)));
    let words = "shelf.put: request field \"value\" has no variant in common";
    assert_eq!(asked::<_, Of<Other>>(&of(Strict::New)), Err(refused(words)));
}

/// What becomes of an error of the service's own, `A` there and `B` here.
fn failed<A: Message, B: Message>(error: &A, here: bool, there: bool) -> RpcError {
    let detail = encode(error).unwrap();
    let error = RpcError { detail, ..RpcError::new(Code::Application, "no room") };
    let service = ServiceAdapter::new(&failing::<B>(here), &failing::<A>(there)).unwrap();
    let method = service.method(ID).unwrap().unwrap();
    let silent = RpcError::new(Code::Silent, "gone");
    assert_eq!(method.error(silent.clone()), silent);
    method.error(error)
}

#[test]
fn errors_keep_their_words() {
    let known = failed::<_, State>(&LaterState::New, true, true);
    assert_eq!((decode::<State>(&known.detail).unwrap(), &*known.message), (State::New, "no room"));
    let unknown = failed::<_, Strict>(&LaterState::Frozen { reason: String::new() }, true, true);
    let words = "no room (shelf.put: the error is Frozen, a variant that is unknown here)";
    assert_eq!(unknown, RpcError::new(Code::Application, words));
    // A type of errors came or went.
    let plain = RpcError::new(Code::Application, "no room");
    assert_eq!(failed::<_, State>(&LaterState::New, false, true), plain);
    assert_eq!(failed::<_, State>(&LaterState::New, true, false), plain);
}

#[test]
fn what_is_encoded_alike_needs_no_adapter() {
    let mut documented = asking::<Toy>().schema().clone();
    documented.doc = "Other words.".into();
    documented.methods[0].access = Access::Service;
    let documented = Rc::new(EncodedSchema::new(documented).unwrap());
    assert!(ServiceAdapter::new(&asking::<Toy>(), &documented).is_none());
    assert!(ServiceAdapter::new(&asking::<Toy>(), &asking::<Toy>()).is_none());
    // Of 16 bits and more integers are written alike, and a variant more at the end moves none.
    assert!(ServiceAdapter::new(&asking::<Of<u16>>(), &asking::<Of<u64>>()).is_none());
    assert!(ServiceAdapter::new(&asking::<Of<u64>>(), &asking::<Of<u16>>()).is_some());
    assert!(ServiceAdapter::new(&asking::<Of<u8>>(), &asking::<Of<u16>>()).is_some());
}

#[test]
fn methods_come_and_go_and_change_their_shape() {
    let ours = asking::<Named>();
    let none =
        Rc::new(EncodedSchema::new(ServiceSchema { methods: vec![], ..ours.schema().clone() }).unwrap());
    assert!(ServiceAdapter::new(&none, &ours).is_none());
    let service = ServiceAdapter::new(&ours, &none).unwrap();
    let gone = RpcError::new(Code::UnknownMethod, "shelf.put is not served there");
    assert_eq!(service.method(ID).unwrap_err(), gone.retry(Retry::NeverStarted, 0));
    assert!(matches!(service.method(ID + 1), Ok(None)));
    assert_eq!(service.refusals(), ["shelf.put is not served there"]);

    let mut one_way = ours.schema().clone();
    one_way.methods[0].shape = CallShape::OneWay;
    let service = ServiceAdapter::new(&ours, &Rc::new(EncodedSchema::new(one_way).unwrap())).unwrap();
    let words = "shelf.put is Unary here and OneWay there";
    assert_eq!(service.method(ID).unwrap_err(), refused(words));
}

#[test]
fn bytes_that_are_no_message_are_refused() {
    let service = ServiceAdapter::new(&asking::<Toy>(), &asking::<LaterToy>()).unwrap();
    let method = service.method(ID).unwrap().unwrap();
    let good = encode(&Toy { name: "Tux".into(), count: 200, note: Some("soft".into()) }).unwrap();
    for end in 0..good.len() {
        assert_eq!(method.request(good.slice(..end)).unwrap_err().code, Code::BadRequest);
    }
    let more = [&good[..], b"\0"].concat();
    assert_eq!(
        method.request(more.into()),
        Err(RpcError::new(Code::BadRequest, "shelf.put: the request: bytes are left over after the message"))
    );
    let service = ServiceAdapter::new(&answering::<State>(), &answering::<LaterState>()).unwrap();
    let method = service.method(ID).unwrap().unwrap();
    let error = method.reply((&[9_u8][..]).into()).unwrap_err();
    assert_eq!((error.code, error.retry), (Code::Protocol, Retry::MaybeExecuted));
    assert_eq!(error.message, "shelf.put: the reply: no variant has this index");
}

#[derive(Message, Debug, PartialEq)]
struct Many {
    a: Option<u8>,
    b: Option<u8>,
    c: Option<u8>,
    d: Option<u8>,
    e: Option<u8>,
    flag: bool,
}

#[test]
fn what_grows_too_long_is_refused() {
    let small: Vec<Of<bool>> = vec![of(true); 3_000_000];
    #[derive(Message, Debug, Clone)]
    struct Flag {
        flag: bool,
    }
    let small = of(small.iter().map(|of| Flag { flag: of.value }).collect::<Vec<_>>());
    let Err(error) = asked::<_, Of<Vec<Many>>>(&small) else { panic!("it was not refused") };
    assert_eq!(error.code, Code::MessageTooLarge);
    assert!(error.message.contains(&format!("it would be longer than {MESSAGE_BYTES_MAX} bytes")), "{error}");
}

/// A valid schema of two families of structs that refer to each other on many ways; `turn` says which ways.
fn entangled(turn: usize) -> Rc<EncodedSchema> {
    let mut types = vec![Type::U8, Type::Option { item: 0 }];
    for level in 0..30_usize {
        for family in 0..2 {
            // A level is a struct of each family, and an option of each. What would lie below the first one is left out.
            let field = |at: usize| {
                let below = level.checked_sub(1 + (at >> (turn + 2)) % 4)?;
                let of = TypeRef::try_from(3 + 4 * below + 2 * ((at >> turn) % 2)).unwrap();
                Some(Field { name: format!("f{at}"), of, ..Field::default() })
            };
            let mut fields: Vec<Field> = (0..255).filter_map(field).collect();
            fields.push(Field { name: "last".into(), of: 1, ..Field::default() });
            types.push(Type::Struct { name: format!("S{level}_{family}"), doc: String::new(), fields });
            types.push(Type::Option { item: TypeRef::try_from(types.len() - 1).unwrap() });
        }
    }
    let mut schema = asking::<()>().schema().clone();
    schema.methods[0].request = TypeRef::try_from(types.len() - 2).unwrap();
    schema.methods[0].reply = 0;
    schema.types = types;
    Rc::new(EncodedSchema::new(schema).unwrap())
}

#[test]
fn entangled_types_are_compared_once_and_not_without_end() {
    let (ours, theirs) = (entangled(0), entangled(1));
    let mut documented = ours.schema().clone();
    documented.doc = "Other words.".into();
    assert!(ServiceAdapter::new(&ours, &Rc::new(EncodedSchema::new(documented).unwrap())).is_none());
    let service = ServiceAdapter::new(&ours, &theirs).unwrap();
    let error = service.method(ID).unwrap_err();
    assert!(error.message.ends_with(" belongs to schemas that are too large to be compared"), "{error}");
}
