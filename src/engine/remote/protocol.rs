//! What servers are asked and what they answer: pure functions between prompts, JSON and text. Three dialects:
//! llama.cpp's `/completion` and `/infill`, and OpenAI's `/v1/completions` with its many speakers.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::trouble::Trouble;
use crate::{
    prompt::{Segment, format::Format, parts::Parts},
    suggest::stop::StopReason,
};

/// How a server wants to be asked.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Dialect {
    /// llama.cpp's `/completion`, with the prompt in the model's own format. Known tokens go as numbers.
    Completion {
        format: Format,
        tokens: HashMap<String, i64>,
    },
    /// llama.cpp's `/infill`: the server knows the format.
    Infill,
    /// `/v1/completions` and its like; with a format the prompt is written out, without one the server gets prefix and
    /// suffix.
    OpenAi { format: Option<Format> },
}

/// One question.
pub(super) struct Question<'a> {
    pub parts: &'a Parts,
    pub max_tokens: usize,
    /// Whether the first line is enough.
    pub is_line: bool,
    pub model: Option<&'a str>,
    /// Whether the probabilities of tokens are asked for.
    pub with_probabilities: bool,
    /// Of a llama.cpp server.
    pub slot: Option<usize>,
}

impl Dialect {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Dialect::Completion { .. } => "llama.cpp /completion",
            Dialect::Infill => "llama.cpp /infill",
            Dialect::OpenAi { .. } => "OpenAI completions",
        }
    }

    /// The format that prompts are written in here; `None` where the server does it.
    pub(super) fn format(&self) -> Option<&Format> {
        match self {
            Dialect::Completion { format, .. } => Some(format),
            Dialect::Infill => None,
            Dialect::OpenAi { format } => format.as_ref(),
        }
    }

    /// The body of a question.
    pub(super) fn body(&self, question: &Question) -> Value {
        let mut body = match self {
            Dialect::Completion { format, tokens } => completion(question, format, tokens),
            Dialect::Infill => infill(question),
            Dialect::OpenAi { format } => open_ai(question, format.as_ref()),
        };
        body["stream"] = true.into();
        if question.is_line {
            // So that the server ends by itself and the connection can be used again.
            let stops = body["stop"].as_array().cloned().unwrap_or_default();
            body["stop"] = [vec![json!("\n")], stops].concat().into();
        }
        if let Some(model) = question.model {
            body["model"] = model.into();
        }
        body
    }
}

/// Greedy, as the engine in this process is.
fn llama(question: &Question) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("n_predict".into(), question.max_tokens.into());
    body.insert("temperature".into(), 0.into());
    body.insert("cache_prompt".into(), true.into());
    // So that it is known what an answer took that is cut off.
    body.insert("timings_per_token".into(), true.into());
    if question.with_probabilities {
        body.insert("n_probs".into(), 1.into());
    }
    if let Some(slot) = question.slot {
        body.insert("id_slot".into(), slot.into());
    }
    // Else the last event repeats the prompt.
    let fields = [
        "content",
        "stop",
        "stop_type",
        "stopping_word",
        "model",
        "timings",
        "id_slot",
    ];
    body.insert("response_fields".into(), json!(fields));
    body
}

fn completion(question: &Question, format: &Format, tokens: &HashMap<String, i64>) -> Value {
    let parts = question.parts.clone().without(&spellings(format));
    // The text in front is where a server puts the token that the model wants at the start. Texts stand apart, so that
    // each has the tokens that it has in this process.
    let mut prompt = vec![json!("")];
    prompt.extend(parts.head(format).into_iter().map(|segment| match segment {
        Segment::Special(spelling) => match tokens.get(&spelling) {
            Some(token) => json!(token),
            None => json!(plain(&spelling)),
        },
        Segment::Text(text) | Segment::Suffix(text) => text.into(),
    }));
    if !parts.tail.is_empty() {
        prompt.push(parts.tail.into());
    }
    let mut body = llama(question);
    let has_token = prompt.iter().any(Value::is_number);
    // A list of texts alone would be several questions.
    let texts = || prompt.iter().filter_map(Value::as_str).collect::<String>();
    let prompt = if has_token {
        prompt.into()
    } else {
        texts().into()
    };
    body.insert("prompt".into(), prompt);
    body.into()
}

fn infill(question: &Question) -> Value {
    let parts = question.parts;
    let extra: Vec<Value> = (parts.context.iter())
        .map(|text| json!({"filename": "", "text": text}))
        .collect();
    let mut body = llama(question);
    body.insert("input_prefix".into(), parts.prefix.as_str().into());
    body.insert("prompt".into(), parts.tail.as_str().into());
    body.insert("input_suffix".into(), parts.suffix.as_str().into());
    body.insert("input_extra".into(), extra.into());
    body.into()
}

fn open_ai(question: &Question, format: Option<&Format>) -> Value {
    let mut body = Map::new();
    body.insert("max_tokens".into(), question.max_tokens.into());
    body.insert("temperature".into(), 0.into());
    if question.with_probabilities {
        body.insert("logprobs".into(), 1.into());
    }
    let Some(format) = format else {
        let parts = question.parts;
        let prompt = format!("{}{}", parts.prefix, parts.tail);
        body.insert("prompt".into(), prompt.into());
        body.insert("suffix".into(), parts.suffix.as_str().into());
        return body.into();
    };
    let parts = question.parts.clone().without(&spellings(format));
    let head = parts.head(format).into_iter().map(|segment| match segment {
        Segment::Special(spelling) => plain(&spelling),
        Segment::Text(text) | Segment::Suffix(text) => text,
    });
    let prompt = head.collect::<String>() + &parts.tail;
    body.insert("prompt".into(), prompt.into());
    // These servers hide control tokens in what they answer, and not all end at one. Four are allowed, one is for the
    // line's end.
    let ends = [&format.file_separator, &format.prefix, &format.suffix];
    let ends: Vec<String> = ends.into_iter().flatten().map(|it| plain(it)).collect();
    body.insert("stop".into(), json!(ends));
    body.into()
}

/// What text must not hold; spellings of a letter or two stand in every text.
fn spellings(format: &Format) -> Vec<&str> {
    let is_whole = |spelling: &&str| spelling.len() > 3;
    format.spellings().filter(is_whole).collect()
}

/// A control token as servers that take text read it: SentencePiece's mark is a blank.
fn plain(spelling: &str) -> String {
    spelling.replace(
        '▁',
        if spelling.starts_with('▁') {
            " "
        } else {
            "▁"
        },
    )
}

/// What one event of a stream says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Said {
    pub text: String,
    /// Of the text's tokens, natural logarithms; empty where the server does not tell.
    pub log_probabilities: Vec<f32>,
    pub end: Option<StopReason>,
    /// Tokens of the prompt that were evaluated, and those that were generated.
    pub evaluated: Option<usize>,
    pub generated: Option<usize>,
    /// Of a llama.cpp server: the model that answered.
    pub model: Option<String>,
}

/// Reads one event, of whichever dialect.
pub(super) fn said(event: &Value) -> Result<Said, Trouble> {
    if event.get("error").is_some_and(|error| !error.is_null()) {
        return Err(Trouble::Failed);
    }
    if let Some(content) = event.get("content") {
        let text = content.as_str().ok_or(Trouble::Malformed("no text"))?;
        return Ok(of_llama(event, text));
    }
    if event["stop"] == true {
        return Ok(of_llama(event, ""));
    }
    let Some(choices) = event.get("choices").and_then(Value::as_array) else {
        return Err(Trouble::Malformed("neither content nor choices"));
    };
    let mut said = Said {
        evaluated: count(&event["usage"]["prompt_tokens"]),
        generated: count(&event["usage"]["completion_tokens"]),
        ..Said::default()
    };
    // The last event of some servers has none.
    if let Some(choice) = choices.first() {
        let texts = [
            &choice["text"],
            &choice["delta"]["content"],
            &choice["message"]["content"],
        ];
        said.text = texts
            .into_iter()
            .find_map(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        let probabilities = &choice["logprobs"];
        said.log_probabilities = match probabilities["content"].as_array() {
            Some(tokens) => numbers(tokens.iter().map(|token| &token["logprob"])),
            None => numbers(
                probabilities["token_logprobs"]
                    .as_array()
                    .into_iter()
                    .flatten(),
            ),
        };
        said.end = match choice["finish_reason"].as_str() {
            None => None,
            Some("length") => Some(StopReason::MaxTokens),
            // Whether at a line's end or at the text's cannot be told: the text tells.
            Some(_) => Some(StopReason::EndToken),
        };
    }
    Ok(said)
}

fn of_llama(event: &Value, text: &str) -> Said {
    let tokens = event["completion_probabilities"].as_array();
    let is_over = event["stop"] == true;
    let reason = || match event["stop_type"].as_str() {
        Some("limit") => StopReason::MaxTokens,
        Some("word") if event["stopping_word"] == "\n" => StopReason::EndOfLine,
        _ => StopReason::EndToken,
    };
    Said {
        text: text.to_owned(),
        log_probabilities: numbers(tokens.into_iter().flatten().map(|token| &token["logprob"])),
        end: is_over.then(reason),
        evaluated: count(&event["timings"]["prompt_n"]),
        generated: count(&event["timings"]["predicted_n"]),
        model: event["model"]
            .as_str()
            .filter(|_| is_over)
            .map(str::to_owned),
    }
}

fn numbers<'v>(values: impl Iterator<Item = &'v Value>) -> Vec<f32> {
    values
        .filter_map(Value::as_f64)
        .map(|it| it as f32)
        .collect()
}

fn count(value: &Value) -> Option<usize> {
    value.as_u64().and_then(|it| usize::try_from(it).ok())
}

#[cfg(test)]
mod tests;
