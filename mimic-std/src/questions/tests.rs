//! The order of events, one by one.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::Wake;

use mimic_core::Text;
use mimic_core::roles::{Record, RecordType};

use super::*;

const LIMIT: Duration = Duration::from_secs(20);

/// Questions that are answered when the test says so.
struct Desk {
    questions: Arc<Questions>,
    begun: Receiver<(Text, Sender<Answer>)>,
}

fn desk(limit: usize) -> Desk {
    let (tell, begun) = channel();
    let questions = Questions::new(NonZeroUsize::new(limit).unwrap(), move |ask: &Ask| {
        let (answer, wait) = channel();
        _ = tell.send((ask.name.clone(), answer));
        wait.recv().unwrap_or(Err(Failure::Lost))
    });
    Desk { questions, begun }
}

fn answer() -> Answer {
    Ok(vec![Record::A([192, 0, 2, 1].into())])
}

impl Desk {
    fn ask(&self, name: &str) -> (Pin<Box<Waiting>>, Arc<Flag>) {
        let mut waiting = Box::pin(self.questions.ask(Ask { name: name.into(), record_type: RecordType::A }));
        let flag = Arc::new(Flag::default());
        assert!(poll(&mut waiting, &flag).is_none());
        (waiting, flag)
    }

    /// The next question that a thread begins.
    fn begun(&self) -> (Text, Sender<Answer>) {
        self.begun.recv_timeout(LIMIT).unwrap()
    }

    fn nothing_begins(&self) {
        assert!(self.begun.recv_timeout(PATIENCE * 3).is_err());
    }

    fn counts(&self) -> [usize; 4] {
        let state = self.questions.state();
        [state.threads, state.abandoned, state.queue.len(), state.asked.len()]
    }
}

#[derive(Default)]
struct Flag(Mutex<bool>, Condvar);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        *self.0.lock().unwrap() = true;
        self.1.notify_all();
    }
}

impl Flag {
    fn wait(&self) {
        let woken = self.1.wait_timeout_while(self.0.lock().unwrap(), LIMIT, |woken| !*woken).unwrap();
        assert!(!woken.1.timed_out());
    }
}

fn poll(waiting: &mut Pin<Box<Waiting>>, flag: &Arc<Flag>) -> Option<Answer> {
    match waiting.as_mut().poll(&mut Context::from_waker(&flag.clone().into())) {
        Poll::Ready(answer) => Some(answer),
        Poll::Pending => None,
    }
}

fn done((mut waiting, flag): (Pin<Box<Waiting>>, Arc<Flag>)) -> Vec<Record> {
    flag.wait();
    poll(&mut waiting, &flag).unwrap().unwrap()
}

#[test]
fn one_question_for_all_that_wait() {
    let desk = desk(4);
    let [first, second, third] = [desk.ask("a"), desk.ask("a"), desk.ask("a")];
    let (name, reply) = desk.begun();
    assert_eq!(&*name, "a");
    desk.nothing_begins();
    // The first to ask may go.
    drop(first);
    reply.send(answer()).unwrap();
    assert_eq!((done(second), done(third)), (answer().unwrap(), answer().unwrap()));
    // Afterwards it is asked anew, and failures are for all, too.
    let again = [desk.ask("a"), desk.ask("a")];
    desk.begun().1.send(Err(Failure::Name)).unwrap();
    for (mut waiting, flag) in again {
        flag.wait();
        assert!(matches!(poll(&mut waiting, &flag), Some(Err(Failure::Name))));
    }
    assert_eq!(desk.counts(), [1, 0, 0, 0]);
}

#[test]
fn what_nothing_waits_for_is_not_begun() {
    let desk = desk(1);
    let running = desk.ask("running");
    let (_, reply) = desk.begun();
    let [given_up, mut kept] = [desk.ask("given up"), desk.ask("kept")];
    assert_eq!(desk.counts(), [1, 0, 2, 3]);
    drop(given_up);
    assert_eq!(desk.counts(), [1, 0, 1, 2]);
    // The waker of the last poll is the one that counts.
    let flag = Arc::new(Flag::default());
    assert!(poll(&mut kept.0, &flag).is_none());
    kept.1 = flag;
    reply.send(answer()).unwrap();
    let (name, reply) = desk.begun();
    assert_eq!(&*name, "kept");
    reply.send(answer()).unwrap();
    done(running);
    done(kept);
    desk.nothing_begins();
}

/// Look-ups that were given up do not hold up the next one, and what is given up again and again is
/// joined.
#[test]
fn abandoned_questions_take_no_place() {
    let desk = desk(2);
    let mut stuck = Vec::new();
    for name in ["a", "b"] {
        let (waiting, _) = desk.ask(name);
        stuck.push(desk.begun().1);
        drop(waiting);
    }
    for _ in 0..5 {
        let (waiting, _) = desk.ask("a");
        assert_eq!(desk.counts(), [2, 1, 0, 2]);
        drop(waiting);
    }
    assert_eq!(desk.counts(), [2, 2, 0, 2]);
    let next = desk.ask("next");
    let (name, reply) = desk.begun();
    assert_eq!((&*name, desk.counts()), ("next", [3, 2, 0, 3]));
    // Never more than twice the limit.
    let [fourth, fifth] = [desk.ask("fourth"), desk.ask("fifth")];
    stuck.push(desk.begun().1);
    drop(fourth);
    desk.nothing_begins();
    assert_eq!(desk.counts(), [4, 3, 1, 5]);
    reply.send(answer()).unwrap();
    done(next);
    assert_eq!(&*desk.begun().0, "fifth");
    drop(fifth);
    for reply in stuck {
        reply.send(answer()).unwrap();
    }
}

/// A crowd that is given up at once starts no threads, and is not begun.
#[test]
fn a_crowd_that_is_given_up() {
    let desk = desk(2);
    let crowd: Vec<_> = (0..50).map(|n| desk.ask(&n.to_string())).collect();
    let _stuck = [desk.begun(), desk.begun()];
    drop(crowd);
    desk.nothing_begins();
    let [threads, abandoned, queued, asked] = desk.counts();
    assert!(threads <= 3, "{threads}");
    assert_eq!((abandoned, queued, asked), (2, 0, 2));
    let before = Instant::now();
    let _next = desk.ask("next");
    assert_eq!(&*desk.begun().0, "next");
    assert!(before.elapsed() < PATIENCE * 10, "{:?}", before.elapsed());
}

#[test]
fn in_order_and_a_higher_limit_at_once() {
    let desk = desk(1);
    let waiting: Vec<_> = (0..20).map(|n| desk.ask(&n.to_string())).collect();
    let mut replies = vec![desk.begun()];
    desk.nothing_begins();
    desk.questions.set_limit(NonZeroUsize::new(3).unwrap());
    replies.extend([desk.begun(), desk.begun()]);
    desk.nothing_begins();
    for n in 0..20 {
        let (name, reply) = replies.remove(0);
        assert!((n..n + 3).any(|near| *name == *near.to_string()), "{name} as number {n}");
        reply.send(answer()).unwrap();
        if n < 17 {
            replies.push(desk.begun());
        }
    }
    for waiting in waiting {
        done(waiting);
    }
}

/// A desk of four threads, all of which wait for a question.
fn idle_desk() -> Desk {
    let desk = desk(4);
    let waiting = ["a", "b", "c", "d"].map(|name| desk.ask(name));
    for reply in [(); 4].map(|()| desk.begun().1) {
        reply.send(answer()).unwrap();
    }
    for waiting in waiting {
        done(waiting);
    }
    thread::sleep(PATIENCE);
    assert_eq!(desk.counts(), [4, 0, 0, 0]);
    desk
}

#[test]
fn a_lower_limit_at_once() {
    let desk = idle_desk();
    desk.questions.set_limit(NonZeroUsize::MIN);
    thread::sleep(PATIENCE);
    assert_eq!(desk.counts(), [1, 0, 0, 0]);
    let next = desk.ask("next");
    desk.begun.recv_timeout(IDLE / 4).unwrap().1.send(answer()).unwrap();
    done(next);
}

/// A thread that is one too many, and is woken for a question, leaves it to another.
#[test]
fn a_thread_that_ends_takes_no_wake_up_with_it() {
    let desk = idle_desk();
    desk.questions.state().limit = 1;
    let next = desk.ask("next");
    desk.begun.recv_timeout(IDLE / 4).unwrap().1.send(answer()).unwrap();
    done(next);
    assert_eq!(desk.counts(), [1, 0, 0, 0]);
}

struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        panic!("expected by the test");
    }
}

/// It costs neither the thread that wakes it, nor the others that wait.
#[test]
fn a_waker_that_panics() {
    let desk = desk(2);
    for _ in 0..2 {
        let mut first = Box::pin(desk.questions.ask(Ask { name: "a".into(), record_type: RecordType::A }));
        assert!(first.as_mut().poll(&mut Context::from_waker(&Arc::new(Panics).into())).is_pending());
        let second = desk.ask("a");
        desk.begun().1.send(answer()).unwrap();
        assert_eq!(done(second), answer().unwrap());
    }
    // Each has a thread.
    let _later = [desk.ask("b"), desk.ask("c")];
    let _replies = [desk.begun(), desk.begun()];
    assert_eq!(desk.counts(), [2, 0, 0, 2]);
}

#[test]
fn a_thread_that_panics_answers() {
    let questions = Questions::new(NonZeroUsize::MIN, |_: &Ask| panic!("expected by the test"));
    let mut waiting = Box::pin(questions.ask(Ask { name: "a".into(), record_type: RecordType::A }));
    let flag = Arc::new(Flag::default());
    if poll(&mut waiting, &flag).is_none() {
        flag.wait();
        assert!(matches!(poll(&mut waiting, &flag), Some(Err(Failure::Lost))));
    }
}

#[test]
fn idle_threads_end() {
    let desk = desk(4);
    let waiting = desk.ask("a");
    desk.begun().1.send(answer()).unwrap();
    done(waiting);
    std::thread::sleep(IDLE + Duration::from_millis(500));
    assert_eq!(desk.counts(), [0; 4]);
    let waiting = desk.ask("a");
    desk.begun().1.send(answer()).unwrap();
    done(waiting);
}
