//! What a server is: which dialect it speaks, which model it has, how much that reads. Found out before the first
//! question; no text of the user's is sent for it.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    Settings,
    connection::{Answer, Connections},
    protocol::Dialect,
    trouble::Trouble,
};
use crate::{
    config::Protocol,
    prompt::{
        anchor::Plan,
        format::{self, Format, ModelFacts, Order},
        parts,
        window::Windows,
    },
};

/// What has been found out.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Facts {
    pub(super) dialect: Dialect,
    /// Where questions go.
    pub(super) path: String,
    /// As the server names it.
    pub model: Option<String>,
    /// In tokens; 0 when the server does not say.
    pub context_length: usize,
    /// How long the shortest question of the probe took, encryption and all not counted.
    pub latency: Duration,
    /// Of an OpenAI-compatible server: the format to write prompts in should it not take a suffix.
    pub(super) other_format: Option<Format>,
}

impl Facts {
    pub fn protocol(&self) -> &'static str {
        self.dialect.name()
    }

    /// The model's name for people: of a path, the file.
    pub fn model_name(&self) -> Option<&str> {
        self.model
            .as_deref()
            .map(|name| match name.ends_with(".gguf") {
                true => name.rsplit(['/', '\\']).next().unwrap_or(name),
                false => name,
            })
    }

    /// The prompt format, where prompts are written out here.
    pub fn format(&self) -> Option<&str> {
        self.dialect.format().map(|format| format.name.as_str())
    }

    /// What prompts are made of for this server.
    pub(super) fn plan(&self) -> Plan {
        plan(self.dialect.format(), self.context_length)
    }
}

/// For a server that nothing is known of, what most of them have.
const USUAL_CONTEXT: usize = 4096;

/// What prompts are made of; the marks in them are replaced when they leave.
pub(super) fn plan(format: Option<&Format>, context_length: usize) -> Plan {
    // A server says how long its context is only after it has told its tokens.
    let windows = format.and_then(|it| format::windows_of(&it.name, context_length));
    let open = parts::open_format(
        format,
        format.map_or("the server's", |it| it.name.as_str()),
        windows,
    );
    let context_length = if context_length == 0 {
        USUAL_CONTEXT
    } else {
        context_length
    };
    let windows = Windows::new(&open, context_length);
    Plan {
        format: open,
        windows,
    }
}

/// Asks a server what it is.
pub(super) async fn probe(
    connections: &Connections,
    settings: &Settings,
) -> Result<Facts, Trouble> {
    let probe = Probe {
        connections,
        settings,
    };
    let path = connections.address().path();
    let is_path = |end: &str| path.ends_with(end);
    let protocol = match settings.protocol {
        Protocol::Auto if is_path("/infill") => Protocol::Infill,
        Protocol::Auto if is_path("/completion") => Protocol::Completion,
        Protocol::Auto if is_path("/completions") => Protocol::OpenAi,
        chosen => chosen,
    };
    match protocol {
        Protocol::Infill | Protocol::Completion => probe.llama(protocol).await,
        Protocol::OpenAi => probe.open_ai().await,
        Protocol::Auto => match probe.llama(protocol).await {
            Err(
                Trouble::NothingThere(_)
                | Trouble::Strange
                | Trouble::NoCompletion(_)
                | Trouble::Status(_)
                | Trouble::NotUnderstood(_),
            ) => probe.open_ai().await.map_err(|trouble| match trouble {
                Trouble::NothingThere(_) | Trouble::NoCompletion(_) => Trouble::Strange,
                other => other,
            }),
            other => other,
        },
    }
}

struct Probe<'a> {
    connections: &'a Connections,
    settings: &'a Settings,
}

impl Probe<'_> {
    /// The address without what is one protocol's own: where the server's other paths begin.
    fn base(&self) -> &str {
        let path = self.connections.address().path();
        let known = ["/infill", "/completion", "/v1/completions", "/v1"];
        known
            .iter()
            .find_map(|end| path.strip_suffix(end))
            .unwrap_or(path)
    }

    async fn llama(&self, protocol: Protocol) -> Result<Facts, Trouble> {
        let base = self.base();
        let props = self.get(&format!("{base}/props")).await?;
        let general = &props["default_generation_settings"];
        if general.is_null() && props.get("total_slots").is_none() {
            return Err(Trouble::Strange);
        }
        let context_length = general["n_ctx"].as_u64().unwrap_or_default() as usize;
        let name = |key: &str| props[key].as_str().unwrap_or_default().to_owned();
        let started = Instant::now();
        let tokens = self.tokens(base).await?;
        let latency = started.elapsed();
        let facts = ModelFacts {
            name: name("model_alias"),
            file_name: name("model_path"),
            control_tokens: tokens.keys().cloned().collect::<HashSet<_>>(),
            ..ModelFacts::default()
        };
        let format = match self.settings.format.as_deref() {
            Some(wanted) => format::named(wanted),
            // One without a suffix is none: the server may know better.
            None => format::recognise(&facts, None)
                .ok()
                .filter(|format| format.order != Order::LeftToRight),
        };
        let dialect = match (protocol, format) {
            (Protocol::Infill, _) | (Protocol::Auto, None) => Dialect::Infill,
            (_, format) => Dialect::Completion {
                format: format.unwrap_or_else(format::left_to_right),
                tokens,
            },
        };
        let own = if dialect == Dialect::Infill {
            "/infill"
        } else {
            "/completion"
        };
        let model = [name("model_alias"), name("model_path")]
            .into_iter()
            .find(|it| !it.is_empty());
        Ok(Facts {
            path: format!("{base}{own}"),
            dialect,
            model: self.settings.model.clone().or(model),
            context_length,
            latency,
            other_format: None,
        })
    }

    /// Which control tokens the model has, and their numbers. Each is one token; what the model lacks falls apart.
    async fn tokens(&self, base: &str) -> Result<HashMap<String, i64>, Trouble> {
        let spellings: HashSet<&str> = format::spellings().collect();
        let content = Vec::from_iter(spellings.iter().copied()).join("\n");
        let body = json!({"content": content, "with_pieces": true, "parse_special": true});
        let path = format!("{base}/tokenize");
        let answer = self
            .connections
            .post(&path, body.to_string().into_bytes())
            .await?;
        let answer = json_of(answer, &path).await?;
        let tokens = answer["tokens"].as_array();
        let token =
            |token: &Value| Some((token["piece"].as_str()?.to_owned(), token["id"].as_i64()?));
        let tokens = tokens.into_iter().flatten().filter_map(token);
        Ok(tokens
            .filter(|(piece, _)| spellings.contains(piece.as_str()))
            .collect())
    }

    async fn open_ai(&self) -> Result<Facts, Trouble> {
        let path = self.connections.address().path();
        let is_whole = path.ends_with("/completions");
        let is_versioned = path
            .rsplit('/')
            .next()
            .is_some_and(|last| last.starts_with('v') || last == "beta");
        let root = if is_versioned {
            path.to_owned()
        } else {
            format!("{path}/v1")
        };
        let path = if is_whole {
            path.to_owned()
        } else {
            format!("{root}/completions")
        };
        let listed = match is_whole && !path.ends_with("/v1/completions") {
            // A service with a path of its own need not have the list beside it.
            true => Value::Null,
            false => {
                let root = path.strip_suffix("/completions").unwrap_or(&root);
                match self.get(&format!("{root}/models")).await {
                    Err(Trouble::NothingThere(_)) if self.settings.protocol == Protocol::OpenAi => {
                        Value::Null
                    }
                    other => other?,
                }
            }
        };
        if !listed.is_null() && !listed["data"].is_array() {
            return Err(Trouble::Strange);
        }
        let started = Instant::now();
        let models = listed["data"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        let is_wanted = |model: &&Value| {
            self.settings
                .model
                .as_deref()
                .is_none_or(|wanted| model["id"] == wanted)
        };
        let entry = models.iter().find(is_wanted).unwrap_or(&Value::Null);
        let model = self
            .settings
            .model
            .clone()
            .or_else(|| entry["id"].as_str().map(str::to_owned));
        let named = match self.settings.format.as_deref() {
            Some(wanted) => format::named(wanted),
            None => model.as_deref().and_then(format::of_name),
        };
        // vLLM takes no suffix. What is asked for by name is done.
        let writes_out = self.settings.format.is_some() || entry["owned_by"] == "vllm";
        let length = [
            &entry["max_model_len"],
            &entry["meta"]["n_ctx_train"],
            &entry["context_length"],
        ];
        Ok(Facts {
            path,
            dialect: Dialect::OpenAi {
                format: named.clone().filter(|_| writes_out),
            },
            model,
            context_length: length
                .into_iter()
                .find_map(Value::as_u64)
                .unwrap_or_default() as usize,
            latency: started.elapsed(),
            other_format: named.filter(|_| !writes_out),
        })
    }

    async fn get(&self, path: &str) -> Result<Value, Trouble> {
        json_of(self.connections.get(path).await?, path).await
    }
}

/// The JSON of a short answer.
async fn json_of(answer: Answer, path: &str) -> Result<Value, Trouble> {
    let (status, after, kind) = (
        answer.status,
        answer.retry_after,
        answer.content_type.clone(),
    );
    let bytes = answer.whole().await?;
    if status != 200 {
        return Err(Trouble::of_status(status, path, after));
    }
    serde_json::from_slice(&bytes).map_err(|_| Trouble::NoCompletion(kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_on_a_server_gets_the_windows_that_it_gets_in_the_process() {
        let format = format::named("ghostline").unwrap();
        let sizes = |context_length| plan(Some(&format), context_length).windows;
        let here = |context_length| {
            let facts = ModelFacts {
                control_tokens: format.spellings().map(String::from).collect(),
                context_length,
                ..ModelFacts::default()
            };
            let format = format::recognise(&facts, None).unwrap();
            assert_eq!(format.name, "ghostline");
            Windows::new(&format, context_length)
        };
        for context_length in [512, 768, 2048] {
            assert_eq!(sizes(context_length), here(context_length));
        }
        assert!(sizes(768).prefix > sizes(512).prefix);
        let qwen = format::named("qwen-coder").unwrap();
        assert_eq!(
            plan(Some(&qwen), 0).windows,
            plan(Some(&qwen), USUAL_CONTEXT).windows
        );
    }
}
