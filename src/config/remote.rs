//! The settings of remote servers, and of the network as a whole.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Consent, Protocol};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Remote {
    /// Where the server listens: `http://HOST:PORT` or `https://HOST`, and the path if it has one of its own
    /// (`https://api.example.com/v1/fim/completions`).
    pub url: Option<String>,
    /// Further servers of the same model. Each question goes to the one that has been answering fastest.
    pub endpoints: Vec<String>,
    /// What the server speaks: `infill` and `completion` are llama.cpp's, `openai` is `/v1/completions` of vLLM, TGI,
    /// Ollama, LM Studio and hosted services; `auto` asks it.
    pub protocol: Protocol,
    /// The model's name, for servers that have several. Without it the first one that the server lists.
    pub model: Option<String>,
    /// Name of the fill-in-the-middle format, for models that the server does not tell enough about: the prompt is
    /// then written out with the family's control tokens. Without it the server puts prefix and suffix together,
    /// unless it is known to leave that to others.
    pub format: Option<String>,
    /// Name of the environment variable that holds the key for the server.
    pub key_env: Option<String>,
    /// Path of a file that holds the key for the server, and nothing else.
    pub key_file: Option<String>,
    /// Whether text may be sent there: `ask` asks the user once for each host and remembers the answer, `given` is
    /// for editors that cannot ask.
    pub consent: Consent,
    /// Whether the model in this process answers while no endpoint does.
    pub fallback: bool,
    /// Whether the server is asked, while nobody waits, what follows once the ghost text is accepted. It costs the
    /// server about one completion more for each that is shown.
    pub ahead: bool,
    /// After so many milliseconds without a byte a server counts as gone.
    #[schemars(range(min = 100, max = 60_000))]
    pub timeout_ms: u64,
    /// How many milliseconds after a key the question leaves, if no other key comes: for servers that count
    /// requests.
    #[schemars(range(min = 0, max = 1000))]
    pub delay_ms: u64,
    /// How many of a llama.cpp server's slots the documents are spread over, so that each finds its cache again. 0
    /// leaves the choice to the server, as is right where several people share one.
    #[schemars(range(min = 0, max = 256))]
    pub slots: usize,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Network {
    /// Whether everything that would use the network is refused, whatever else is set. `--offline` sets it.
    pub offline: bool,
}

impl Default for Remote {
    fn default() -> Remote {
        Remote {
            url: None,
            endpoints: Vec::new(),
            protocol: Protocol::Auto,
            model: None,
            format: None,
            key_env: None,
            key_file: None,
            consent: Consent::Ask,
            fallback: true,
            ahead: false,
            timeout_ms: 5_000,
            delay_ms: 0,
            slots: 0,
        }
    }
}
