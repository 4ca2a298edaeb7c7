//! What can go wrong between here and a server, each with a sentence for the user. What a server says is not in
//! them: it may quote the text that it was sent.

use std::time::Duration;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Nobody listens, or the name is unknown; what the system says.
    Unreachable(String),
    /// The connection cannot be encrypted; what the library says.
    NotTrusted(String),
    /// No byte came in time.
    Late,
    /// 401 and 403.
    KeyRefused,
    /// 404 and 405, for this path.
    NothingThere(String),
    /// 429, and how long to leave it alone.
    Busy(Option<Duration>),
    /// 503: not now.
    NotReady,
    /// 300 to 399.
    Elsewhere,
    /// 400, 422: it does not understand the question.
    NotUnderstood(u16),
    Status(u16),
    /// An answer of another kind; the type that it has.
    NoCompletion(String),
    /// It speaks HTTP, but nothing that is spoken here.
    Strange,
    /// The answer breaks off.
    Cut,
    /// The answer makes no sense; in what way.
    Malformed(&'static str),
    /// The server says in the stream that it failed.
    Failed,
    Cancelled,
}

impl Trouble {
    /// What a status other than 200 means.
    pub(super) fn of_status(status: u16, path: &str, retry_after: Option<Duration>) -> Trouble {
        match status {
            300..400 => Trouble::Elsewhere,
            400 | 422 => Trouble::NotUnderstood(status),
            401 | 403 => Trouble::KeyRefused,
            404 | 405 => Trouble::NothingThere(path.to_owned()),
            429 => Trouble::Busy(retry_after),
            503 => Trouble::NotReady,
            other => Trouble::Status(other),
        }
    }

    /// Whether asking once more can neither cost anything nor be seen twice: the server has not begun.
    pub(super) fn is_safe_to_repeat(&self) -> bool {
        matches!(
            self,
            Trouble::Unreachable(_) | Trouble::Busy(_) | Trouble::NotReady
        )
    }

    /// A clause about the server `host`, with the way out.
    pub(crate) fn sentence(&self, host: &str) -> String {
        match self {
            Trouble::Unreachable(why) => format!(
                "`{host}` cannot be reached ({why}); start the server there, or check `remote.url`"
            ),
            Trouble::NotTrusted(why) => format!(
                "the connection to `{host}` cannot be encrypted ({why}); for a certificate of your own authority set SSL_CERT_FILE"
            ),
            Trouble::Late => format!(
                "`{host}` does not answer in time; look at its load, or raise `remote.timeout_ms`"
            ),
            Trouble::KeyRefused => format!(
                "`{host}` refuses the key; check what `remote.key_env` or `remote.key_file` names"
            ),
            Trouble::NothingThere(path) => format!(
                "`{host}` has nothing at `{path}`; check `remote.url` and `remote.protocol`"
            ),
            Trouble::Busy(_) => format!(
                "`{host}` has too many questions; it is asked again later, and seldom with `remote.delay_ms`"
            ),
            Trouble::NotReady => {
                format!("`{host}` is not ready; it may still be loading its model")
            }
            Trouble::Elsewhere => {
                format!("`{host}` sends to another address; write that one into `remote.url`")
            }
            Trouble::NotUnderstood(status) => format!(
                "`{host}` does not understand the question (status {status}); check `remote.protocol`, `remote.model` and `remote.format`"
            ),
            Trouble::Status(status) => {
                format!("`{host}` fails with status {status}; look into its log")
            }
            Trouble::NoCompletion(kind) => format!(
                "`{host}` answers with `{kind}`, which is no completion; check `remote.url`"
            ),
            Trouble::Strange => format!(
                "`{host}` is neither a llama.cpp server nor compatible to OpenAI's completions; check `remote.url`, or set `remote.protocol`"
            ),
            Trouble::Cut => format!("`{host}` broke off in the middle of an answer"),
            Trouble::Malformed(how) => {
                format!("`{host}` answers what makes no sense ({how}); check `remote.protocol`")
            }
            Trouble::Failed => format!("`{host}` failed while it answered; look into its log"),
            Trouble::Cancelled => format!("the question to `{host}` was withdrawn"),
        }
    }
}
