//! Routes: from an HTTP method and a path to the RPC method that is bound to it. They come from schemas, and nothing else.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::rc::Rc;

use super::answer::{Answer, Refused};
use super::outcomes::{self, OutcomeRoute};
use super::tree::{Segment, Tree};
use crate::http1::{DecodeError, Method, RequestHead, Status, TargetForm, decode_component, segments};
use crate::openapi;
use crate::schema::{Access, EncodedSchema, Method as RpcMethod, ServiceSchema};

/// All routes of a gateway, or of a service on its own port.
#[derive(Debug, Default)]
pub struct Routes {
    routes: Vec<Route>,
    /// The places of those whose paths have no parameters, by their paths: nothing is more exact.
    plain: HashMap<Rc<str>, Vec<usize>>,
    /// Where all other paths lead.
    tree: Tree,
    /// The services whose schema is known, by their index.
    known: BTreeSet<usize>,
    /// Each with the index of its service.
    schemas: Vec<(usize, Rc<EncodedSchema>)>,
    title: String,
    /// The pages besides those of every process.
    pages: &'static [openapi::Page],
    /// The description of it all, made when it is asked for first.
    description: OnceCell<Answer>,
}

/// One route: where it leads.
#[derive(Debug)]
pub struct Route {
    /// Its place among the routes, from 0.
    pub place: usize,
    /// GET, POST, …
    http_method: String,
    segments: Vec<Segment>,
    /// Its path, with the names of its parameters: `/products/{name}`.
    pub template: Rc<str>,
    /// Which service serves it, by its index.
    pub service: usize,
    /// The name of that service.
    pub service_name: Rc<str>,
    /// The id of the RPC method.
    pub method: u32,
    /// The name of that method.
    pub method_name: Rc<str>,
    /// The class of rate limits that the method belongs to.
    pub rate_class: String,
    /// The stream of the service that says when a reply may not be kept any more; empty where none may be kept at all.
    pub cache: String,
    /// Whether a request to it changes nothing that its client asks for.
    pub is_safe: bool,
    /// What its call is there.
    pub form: Form,
}

/// What a call is at a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A request and an answer.
    Answer,
    /// A stream of events.
    Events,
    /// A WebSocket.
    Socket,
}

/// What the paths of WebSockets begin with.
const SOCKETS: &str = "ws";

/// Fields of a request by name, filled by segments of the path.
pub type Parameters<'a> = Vec<(&'a str, Cow<'a, str>)>;

/// What a path leads to.
#[derive(Debug)]
enum Found<'a> {
    /// This route, with the fields that the path fills.
    Route(&'a Route, Parameters<'a>),
    /// Routes for other HTTP methods: what `Allow` says.
    OtherMethods(String),
    /// Nothing.
    Nothing,
    /// A segment's percent-encoding is malformed.
    Malformed,
}

/// Where a request leads.
#[derive(Debug)]
pub enum Lead<'a> {
    /// To a method, with the fields that the path fills.
    Method(&'a Route, Parameters<'a>),
    /// To the question what became of a write.
    Outcome(OutcomeRoute),
    /// Nowhere further: this is its answer.
    Answered(Refused),
    /// To nothing that is known; the answer says so.
    Nowhere(Refused),
}

impl Lead<'_> {
    /// The service that it leads to, by its index.
    #[must_use]
    pub fn service(&self) -> Option<usize> {
        match self {
            Self::Method(route, _) => Some(route.service),
            Self::Outcome(route) => Some(route.service),
            Self::Answered(_) | Self::Nowhere(_) => None,
        }
    }
}

impl Routes {
    /// The routes of these schemas, each with the index of the service that serves it. A route that two schemas claim belongs to
    /// the first. The description of them all bears the title.
    pub fn from_schemas(title: &str, schemas: impl IntoIterator<Item = (usize, Rc<EncodedSchema>)>) -> Self {
        let mut all = Self { title: title.to_owned(), ..Self::default() };
        for (service, schema) in schemas {
            all.known.insert(service);
            let service_name = Rc::from(schema.schema().name.as_str());
            for method in &schema.schema().methods {
                let of = (service, &service_name, method);
                let form = if method.is_stream() { Form::Events } else { Form::Answer };
                for binding in method.paths() {
                    let path = segments(&binding.path).map(Segment::parse).collect();
                    all.add(&binding.method, path, of, form);
                }
                for binding in method.socket_paths() {
                    let path = std::iter::once(SOCKETS).chain(segments(&binding.path));
                    all.add("GET", path.map(Segment::parse).collect(), of, Form::Socket);
                }
            }
            all.schemas.push((service, schema));
        }
        // While instances serve different schemas, a request may go to any of them.
        for route in &mut all.routes {
            let of_service = all.schemas.iter().filter(|(at, _)| *at == route.service);
            let mut methods = of_service.filter_map(|(_, schema)| schema.schema().method(route.method));
            route.is_safe = methods.all(|method| is_safe(&route.http_method, method));
        }
        // Sorted so that at each segment a literal goes before a parameter; the first match is the most exact one.
        all.routes.sort_by(|a, b| (&a.segments, &a.http_method).cmp(&(&b.segments, &b.http_method)));
        for (place, route) in all.routes.iter_mut().enumerate() {
            route.place = place;
            match route.parameters().next() {
                None => all.plain.entry(Rc::clone(&route.template)).or_default().push(place),
                Some(_) => all.tree.add(&route.segments, place),
            }
        }
        all
    }

    /// The same beside these pages, which are described with them.
    #[must_use]
    pub fn beside(self, pages: &'static [openapi::Page]) -> Self {
        Self { pages, ..self }
    }

    fn add(
        &mut self,
        http_method: &str,
        segments: Vec<Segment>,
        (service, service_name, method): (usize, &Rc<str>, &RpcMethod),
        form: Form,
    ) {
        self.routes.push(Route {
            place: 0,
            http_method: http_method.to_owned(),
            template: template(&segments).into(),
            segments,
            service,
            service_name: Rc::clone(service_name),
            method: method.id,
            method_name: method.name.as_str().into(),
            rate_class: method.rate_class.clone(),
            cache: method.cache.clone(),
            is_safe: false,
            form,
        });
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.routes.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    /// Whether the schema of a service is known. What an unknown one serves could be anything.
    #[must_use]
    pub fn knows(&self, service: usize) -> bool {
        self.known.contains(&service)
    }

    /// Where a request leads.
    #[must_use]
    pub fn lead<'a>(&'a self, head: &'a RequestHead) -> Lead<'a> {
        if head.target_form() == TargetForm::Asterisk {
            // RFC 9110 section 9.3.7: OPTIONS of the server as a whole; no other method has such a target.
            let all = self.routes.iter().map(|route| route.http_method.as_str());
            return Lead::Answered(elsewhere(Method::Options, allow(all.chain(["GET"]).collect())));
        }
        let path = head.path();
        if path == openapi::PATH {
            return Lead::Answered(match head.method() {
                Method::Get | Method::Head => Box::new(self.description().clone()),
                method => elsewhere(method, allow(["GET"].into())),
            });
        }
        if let Some(page) = openapi::docs(head, path) {
            return Lead::Answered(Box::new(page));
        }
        if let Some(route) = self.outcome(path) {
            return match head.method() {
                Method::Post => Lead::Outcome(route),
                method => Lead::Answered(elsewhere(method, allow(["POST"].into()))),
            };
        }
        match self.find(head.method_name(), path) {
            Found::Route(route, parameters) => Lead::Method(route, parameters),
            Found::Malformed => {
                Lead::Answered(Box::new(Answer::refusal(400, "the path's percent-encoding is malformed")))
            }
            Found::OtherMethods(allow) => Lead::Answered(elsewhere(head.method(), allow)),
            Found::Nothing => {
                let words = format!("there is nothing at {} {path}", head.method_name());
                Lead::Nowhere(Box::new(Answer::error(Status::NOT_FOUND, "ROUTE_NOT_FOUND", &words, b"")))
            }
        }
    }

    /// The description of all services (OpenAPI 3.1), with its tag: it is long, so it is hashed once, and not copied for each reader.
    fn description(&self) -> &Answer {
        self.description.get_or_init(|| {
            let schemas = self.schemas.iter().map(|(_, schema)| schema.schema());
            let document = openapi::document(&self.title, schemas, self.pages);
            let mut answer = Answer::shared_json(Status::OK, document.into());
            answer.tagged();
            answer
        })
    }

    /// The service and the method that a route leads to.
    #[must_use]
    pub fn called(&self, route: &Route) -> Option<(&ServiceSchema, &RpcMethod)> {
        self.served(route.service, route.method)
    }

    /// A service by its index, and one of its methods by its id.
    #[must_use]
    pub fn served(&self, service: usize, method: u32) -> Option<(&ServiceSchema, &RpcMethod)> {
        let of_service = self.schemas.iter().filter(|(at, _)| *at == service);
        let mut schemas = of_service.map(|(_, schema)| schema.schema());
        schemas.find_map(|schema| Some((schema, schema.method(method)?)))
    }

    /// The write whose outcome a path asks for.
    fn outcome(&self, path: &str) -> Option<OutcomeRoute> {
        let (service, method, token) = outcomes::parse(path)?;
        let (index, schema) = self.schemas.iter().find(|(_, schema)| schema.schema().name == service)?;
        let method = schema.schema().method_named(&method)?;
        let rate_class = method.rate_class.clone();
        Some(OutcomeRoute { service: *index, method: method.id, token, rate_class })
    }

    /// What an HTTP method and a path (still percent-encoded) lead to. HEAD goes where GET goes. The most exact template that a
    /// path fits decides, whatever methods it has: `/orders/log` is no order.
    fn find<'a>(&'a self, http_method: &str, path: &'a str) -> Found<'a> {
        let mut values = Vec::new();
        let in_tree = |values| Some(&self.tree.find(path.strip_prefix('/').unwrap_or(path), values)?.routes);
        let Some(routes) = self.plain.get(path).or_else(|| in_tree(&mut values)) else {
            return Found::Nothing;
        };
        let Ok(values) = values.into_iter().map(decode_component).collect::<Result<Vec<_>, DecodeError>>()
        else {
            return Found::Malformed;
        };
        let wanted = if http_method == "HEAD" { "GET" } else { http_method };
        let fitting = routes.iter().map(|place| &self.routes[*place]);
        match fitting.clone().find(|route| route.http_method == wanted) {
            Some(route) => Found::Route(route, route.parameters().zip(values).collect()),
            None => Found::OtherMethods(allow(fitting.map(|route| route.http_method.as_str()).collect())),
        }
    }
}

/// Whether a request to a method changes nothing that its client asks for: the method is safe, or a GET leads to it, which is safe by itself
/// (RFC 9110 section 9.2.1) unless it takes a permission to write.
fn is_safe(http_method: &str, method: &RpcMethod) -> bool {
    let reads = !matches!(&method.access, Access::Permission { name } if !name.ends_with(":read"));
    method.is_safe() || (http_method == "GET" && reads)
}

/// How a path is shown, with the names of its parameters.
fn template(segments: &[Segment]) -> String {
    let shown = segments.iter().map(|segment| match segment {
        Segment::Literal(text) => format!("/{text}"),
        Segment::Parameter(name) => format!("/{{{name}}}"),
    });
    shown.collect()
}

/// What `Allow` says where these methods have routes.
fn allow(mut methods: BTreeSet<&str>) -> String {
    if methods.contains("GET") {
        methods.insert("HEAD");
    }
    methods.insert("OPTIONS");
    methods.into_iter().collect::<Vec<_>>().join(", ")
}

/// The answer to a method at a path that has others: to OPTIONS that is what it asks for.
#[must_use]
pub fn other_methods(method: Method, allowed: &[&str]) -> Refused {
    elsewhere(method, allow(allowed.iter().copied().collect()))
}

/// The answer where other methods are allowed than this one: to OPTIONS that is what it asks for.
fn elsewhere(method: Method, allow: String) -> Refused {
    let mut answer = Box::new(match method {
        Method::Options => Answer::text(Status::NO_CONTENT, ""),
        _ => Answer::refusal(405, &format!("this path allows {allow}")),
    });
    answer.allow = Some(allow);
    answer
}

impl fmt::Display for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for route in &self.routes {
            writeln!(f, "{} {route}", route.http_method)?;
        }
        Ok(())
    }
}

/// A route is shown as its path, with the names of its parameters: `/products/{name}`.
impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.template)
    }
}

impl Route {
    /// Its HTTP method; HEAD goes where GET goes.
    #[must_use]
    pub fn http_method(&self) -> &str {
        &self.http_method
    }

    /// What a request is about, by the fields that its path fills: each with the word before it, as `orders/17`.
    #[must_use]
    pub fn object(&self, of_path: &Parameters<'_>) -> String {
        let mut object = String::new();
        let mut word = None;
        for segment in &self.segments {
            match segment {
                Segment::Literal(literal) => word = Some(literal.as_str()),
                Segment::Parameter(name) => {
                    let value = of_path.iter().find(|(given, _)| given == name).map(|(_, value)| &**value);
                    for part in word.take().into_iter().chain(value) {
                        object.extend((!object.is_empty()).then_some('/'));
                        object.push_str(part);
                    }
                }
            }
        }
        object
    }

    /// The names of its parameters, in their order.
    fn parameters(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Literal(_) => None,
            Segment::Parameter(name) => Some(name.as_str()),
        })
    }
}
