// The client as a module, as it is, without a warning.
mod queuectl;

fn main() {
    let words: Vec<_> = std::env::args().collect();
    let refused = queuectl::enqueue(&words[2], "taken", "{}").unwrap_err();
    let ticket = queuectl::enqueue(&words[1], "library", r#"{"command":"true"}"#).unwrap();
    let ended = ticket.wait(None).unwrap();
    assert!(ended.done && matches!(refused, queuectl::Error::Refused(_)), "{ticket:?} {ended:?} {refused:?}");
}
