//! Calm moments: when nobody has wanted anything for a while, the model may see to itself; it gives way at once.

use super::*;

const AT_ONCE: Option<Duration> = Some(Duration::ZERO);

fn mailbox() -> (Mailbox, Sender<(&'static str, Outcome)>) {
    let mailbox = Mailbox::new("");
    mailbox.open();
    (mailbox, mpsc::channel().0)
}

#[track_caller]
fn rest(mailbox: &Mailbox) -> Cancel {
    match mailbox.take(AT_ONCE) {
        Next::Rest(cancel) => cancel,
        _ => panic!("there is something to do"),
    }
}

#[test]
fn a_rest_comes_when_nothing_is_to_be_done_and_not_before() {
    let (mailbox, sender) = mailbox();
    mailbox.put(job(A, "now", &sender));
    assert!(matches!(mailbox.take(AT_ONCE), Next::Job(_)));
    assert!(!rest(&mailbox).is_cancelled());
    mailbox.forget(A);
    assert!(matches!(mailbox.take(AT_ONCE), Next::Forget(A)));
    mailbox.close();
    assert!(matches!(mailbox.take(AT_ONCE), Next::End));
}

#[test]
fn whoever_waits_ends_a_rest_and_so_does_the_end() {
    let (mailbox, sender) = mailbox();
    let cancel = rest(&mailbox);
    mailbox.put(Job {
        priority: Priority::Idle(0),
        ..job(A, "ahead", &sender)
    });
    mailbox.drop_idle(A);
    mailbox.forget(A);
    assert!(!cancel.is_cancelled(), "nobody waits");
    mailbox.put(job(B, "now", &sender));
    assert!(cancel.is_cancelled());
    assert!(matches!(mailbox.take(AT_ONCE), Next::Forget(A)));
    assert!(matches!(mailbox.take(AT_ONCE), Next::Job(_)));
    let cancel = rest(&mailbox);
    mailbox.close();
    assert!(cancel.is_cancelled());
}
