//! One conversation, from greeting to goodbye.

use std::collections::BTreeMap;
use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

use micronet_transport::clock;
use micronet_transport::identity::random_bytes;
use micronet_transport::tasks;
use micronet_wire::error::RpcError;
use micronet_wire::schema::Timestamp;
use micronet_wire::service::{CallContext, Incoming, Outgoing};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::audit::{Log, entry};
use super::commands::Order;
use super::doing::{Doing, Progress};
use super::limits::{ANNOUNCED_MAX, SILENCE_MS, TAPPED_MAX, UNDERWAY_MAX};
use super::outbox::Outbox;
use super::reach::{Behalf, Failed};
use super::session::{Execution, Refusal, Session, Speaker, Step, Withdrawn, Words};
use super::{Chat, announced, help};
use crate::control::api::chat::{Said, Typed};

impl Chat {
    /// Talks with whoever calls, until they have said everything and been told everything.
    pub(crate) async fn converse(
        self: &Rc<Self>,
        context: &CallContext,
        mut requests: Incoming<Typed, RpcError>,
        mut replies: Outgoing<Said>,
    ) -> Result<(), RpcError> {
        let (speaker, _seat) = self.enter(context)?;
        let mut following = self.events.follow();
        let (told, mut progress) = mpsc::channel(UNDERWAY_MAX + TAPPED_MAX);
        let mut talk = Talk::begin(self, speaker, told);
        loop {
            if talk.is_over() {
                return Ok(());
            }
            let (room, idle) = (talk.outbox.has_room(), talk.outbox.is_empty());
            let saying = async {
                match talk.outbox.first() {
                    Some(said) => replies.send(said).await,
                    None => pending().await,
                }
            };
            // Each of these loses nothing when another goes first.
            let turn = tokio::select! {
                biased;
                said = saying => Turn::Told(said),
                typed = requests.next(), if room && !talk.has_ended => Turn::Heard(typed?),
                Some(heard) = progress.recv(), if room => Turn::Progress(heard),
                since = following.next(), if idle && !talk.has_ended => Turn::Happened(since),
                () = talk.due(), if room => Turn::Late,
            };
            match turn {
                Turn::Told(said) => talk.told(said?),
                Turn::Heard(Some(typed)) => {
                    talk.heard(&typed.text).await;
                    // Whoever has much to say lets others have their turn.
                    tokio::task::yield_now().await;
                }
                Turn::Heard(None) => talk.has_ended = true,
                Turn::Progress(progress) => talk.progressed(progress),
                Turn::Happened(since) => {
                    for said in announced::said(since, ANNOUNCED_MAX, &talk.session.speaker.user) {
                        talk.outbox.put(said);
                    }
                }
                Turn::Late => talk.late().await,
            }
        }
    }
}

/// What has happened.
enum Turn {
    Told(Result<(), RpcError>),
    Heard(Option<Typed>),
    Progress(Progress),
    Happened(crate::control::events::Since),
    Late,
}

/// A conversation, and what it needs to do something.
struct Talk {
    chat: Rc<Chat>,
    session: Session,
    outbox: Outbox,
    told: mpsc::Sender<Progress>,
    /// What ends those under way that go on by themselves; they end with the conversation too.
    stops: BTreeMap<String, oneshot::Sender<()>>,
    /// Nothing more is heard.
    has_ended: bool,
    /// They have said goodbye: what is under way isn't waited for.
    leaves: bool,
    last_told: Instant,
}

impl Talk {
    fn begin(chat: &Rc<Chat>, speaker: Speaker, told: mpsc::Sender<Progress>) -> Self {
        let mut outbox = Outbox::default();
        let Speaker { user, role, .. } = &speaker;
        let greet = format!("Connected to Network Management ChatOps! Role: {role}");
        outbox.tell("greeting", None, Words { text: greet, data: None }, now());
        let greet = format!("Your User ID: {user} | Role: {role} | Type 'help' for commands");
        let data = help::greeting(&speaker, &chat.reach.names()).to_string();
        outbox.tell("greeting", None, Words { text: greet, data: Some(data) }, now());
        chat.events.tell(announced::came(&speaker));
        Self {
            chat: Rc::clone(chat),
            session: Session::new(speaker),
            outbox,
            told,
            stops: BTreeMap::new(),
            has_ended: false,
            leaves: false,
            last_told: Instant::now(),
        }
    }

    fn is_over(&self) -> bool {
        let waits = !self.leaves && self.session.underway() > 0;
        self.has_ended && self.outbox.is_empty() && !waits
    }

    /// Waits until something has to be done though nothing happens: a question gets old, or it was silent for long. Who has not taken
    /// what there is knows that the conversation lasts.
    async fn due(&self) {
        let silence = self.outbox.is_empty().then(|| self.last_told + Duration::from_millis(SILENCE_MS));
        let question = self.session.due_ns();
        let left = |due_ns: u64| Duration::from_nanos(due_ns.saturating_sub(clock::now()));
        let question = question.map(|due_ns| Instant::now() + left(due_ns));
        match silence.into_iter().chain(question).min() {
            Some(due) => sleep_until(due).await,
            None => pending().await,
        }
    }

    fn told(&mut self, (): ()) {
        self.outbox.told();
        self.last_told = Instant::now();
    }

    async fn late(&mut self) {
        if let Some(step) = self.session.expire(clock::now()) {
            self.step(step).await;
        } else if self.outbox.is_empty() && self.last_told.elapsed() >= Duration::from_millis(SILENCE_MS) {
            self.outbox.put_silence();
        }
    }

    async fn heard(&mut self, line: &str) {
        let code = format!("{:04x}", u16::from_ne_bytes(random_bytes()));
        let names = self.chat.reach.names();
        if let Some(step) = self.session.hear(line, &names, clock::now(), &code) {
            self.step(step).await;
        }
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Answer(words) => self.outbox.tell("answer", None, words, now()),
            Step::Ask(words) => self.outbox.tell("confirm", None, words, now()),
            Step::Who => {
                let words = self.chat.room.list();
                self.outbox.tell("answer", None, words, now());
            }
            Step::Refuse(Refusal { words, of }) => {
                if let Some((order, error)) = of {
                    let failed = Failed::from(error);
                    self.write_down(&order, "", Err(&failed)).await;
                    let data =
                        serde_json::json!({ "code": failed.code, "status": failed.status }).to_string();
                    self.outbox.tell("error", None, Words { text: words, data: Some(data) }, now());
                } else {
                    self.outbox.tell("error", None, Words { text: words, data: None }, now());
                }
            }
            Step::Withdraw(Withdrawn { order, outcome, words }) => {
                let failed = Failed { code: outcome.to_owned(), status: 409, words: words.clone() };
                self.write_down(&order, "", Err(&failed)).await;
                self.outbox.tell("answer", None, Words { text: words, data: None }, now());
            }
            Step::Interrupt(lasting) => {
                let none = "no tap or drill of yours is under way; stop PROCESS ends a process";
                let text = if lasting.is_empty() {
                    none.to_owned()
                } else {
                    format!("ending {}", lasting.join(", "))
                };
                for execution in lasting {
                    self.stops.remove(&execution);
                }
                self.outbox.tell("answer", None, Words { text, data: None }, now());
            }
            Step::Begin(execution) => self.begin_execution(execution),
            Step::Leave => {
                self.outbox.tell("answer", None, Words { text: "Goodbye".into(), data: None }, now());
                (self.has_ended, self.leaves) = (true, true);
                self.stops.clear();
            }
        }
    }

    /// Has a command done. It goes on when the conversation is over: what was begun is finished, and written down.
    fn begin_execution(&mut self, execution: Execution) {
        let order = &execution.order;
        if order.lasts() {
            let words = Words { text: help::begun(order, &execution.id), data: None };
            self.outbox.tell("ack", Some(&execution.id), words, now());
        }
        let speaker = self.session.speaker.clone();
        if order.changes() {
            self.chat.events.tell(announced::does(&speaker, &execution));
        }
        let (stops, stop) = oneshot::channel();
        self.stops.insert(execution.id.clone(), stops);
        let (chat, told) = (Rc::clone(&self.chat), self.told.clone());
        tasks::spawn("command of the chat", async move {
            let came = chat.execute(&speaker, &execution, &told, stop).await;
            // Where nobody listens any more, it is written down all the same.
            let _ = told.send(Progress::Done { execution: execution.id, came }).await;
        });
    }

    fn progressed(&mut self, progress: Progress) {
        match progress {
            Progress::Line { execution, words } => {
                self.outbox.tell("answer", Some(&execution), Words { text: words, data: None }, now());
            }
            Progress::Done { execution, came } => {
                self.session.done(&execution);
                self.stops.remove(&execution);
                match came {
                    Ok(words) => self.outbox.tell("result", Some(&execution), words, now()),
                    Err(Failed { code, status, words }) => {
                        let data = serde_json::json!({ "code": code, "status": status }).to_string();
                        let words = Words { text: format!("{code}: {words}"), data: Some(data) };
                        self.outbox.tell("error", Some(&execution), words, now());
                    }
                }
            }
        }
    }

    async fn write_down(&self, order: &Order, request_id: &str, came: Result<(), &Failed>) {
        write_down(&self.chat.log, &self.session.speaker, order, request_id, came).await;
    }
}

impl Chat {
    /// Does a command, and writes down what came of it.
    async fn execute(
        &self,
        speaker: &Speaker,
        execution: &Execution,
        told: &mpsc::Sender<Progress>,
        stop: oneshot::Receiver<()>,
    ) -> Result<Words, Failed> {
        let order = &execution.order;
        if is_action(order) {
            self.log.check()?;
        }
        let behalf = Behalf { principal: speaker.principal.clone(), request_id: execution.id.clone() };
        let came = Doing { reach: &self.reach, behalf: &behalf, told, stop }.run(execution).await;
        let outcome = came.as_ref().map(|_| ());
        write_down(&self.log, speaker, order, &execution.id, outcome).await;
        if let (true, Err(failed)) = (order.changes(), &came) {
            self.events.tell(announced::failed(speaker, execution, failed));
        }
        came
    }
}

/// Whether the audit log has to know: of what changes something, and of any call.
fn is_action(order: &Order) -> bool {
    order.changes() || order.values.has("method")
}

/// Writes down what came of a command that changes something, or was refused.
async fn write_down(
    log: &Log,
    speaker: &Speaker,
    order: &Order,
    request_id: &str,
    came: Result<(), &Failed>,
) {
    let is_refused = came.is_err_and(|failed| failed.status == 403);
    if is_action(order) || is_refused {
        log.keep(entry(speaker, order, request_id, came)).await;
    }
}

fn now() -> Timestamp {
    Timestamp(clock::unix_us())
}
