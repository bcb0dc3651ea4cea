//! What a folder says about texts: the files of sentence-transformers and of tokenizers, old keys
//! and new.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::Error;

/// How one vector is made of a text's hidden states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pooling {
    /// The first token; for M2-BERT through the pooler, `tanh(W·x + b)`.
    Cls,
    /// The mean of the text's tokens, padding left out.
    Mean,
}

impl Pooling {
    /// Its name in files and on command lines.
    pub const fn name(self) -> &'static str {
        match self {
            Pooling::Cls => "cls",
            Pooling::Mean => "mean",
        }
    }
}

/// What a folder says about turning texts into vectors; everything is optional.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// Pooling of `1_Pooling/config.json`.
    pub pooling: Option<Pooling>,
    /// Whether `modules.json` ends in a `Normalize`.
    pub normalize: bool,
    /// The most tokens of a text, special tokens included.
    pub max_length: Option<usize>,
    /// Prompts by name: text that is put before a text.
    pub prompts: BTreeMap<String, String>,
    /// The prompt that is used unless another is named.
    pub default_prompt: Option<String>,
    /// A part of the sentence-transformers pipeline that this library does not compute, in words.
    pub unsupported: Option<String>,
}

/// Reads a file of the folder by its relative path; `None` where there is none.
pub type ReadText<'a> = dyn Fn(&str) -> Result<Option<String>, Error> + 'a;

impl Settings {
    /// Reads `modules.json` and the files it names, `sentence_bert_config.json`,
    /// `config_sentence_transformers.json` and `tokenizer_config.json`, as far as they are there.
    ///
    /// # Errors
    /// When a file cannot be read, is not a JSON object, or a value has the wrong type.
    pub fn read(read: &ReadText<'_>) -> Result<Self, Error> {
        let mut settings = Settings::default();
        if let Some(text) = read("modules.json")? {
            settings.modules(&text, read)?;
        }
        let lengths = [
            ("sentence_bert_config.json", "max_seq_length"),
            ("tokenizer_config.json", "model_max_length"),
        ];
        for (file, key) in lengths {
            if settings.max_length.is_none()
                && let Some(map) = object(file, read)?
            {
                // Tokenizers without a limit say 1e30.
                settings.max_length = map
                    .get(key)
                    .and_then(Value::as_f64)
                    .filter(|&n| (1.0..1e9).contains(&n))
                    .map(|n| n as usize);
            }
        }
        settings.prompts(read)?;
        Ok(settings)
    }

    fn modules(&mut self, text: &str, read: &ReadText<'_>) -> Result<(), Error> {
        let file = "modules.json";
        let modules: Vec<Value> = serde_json::from_str(text)
            .map_err(|e| bad(file, format!("is not a JSON list: {e}")))?;
        for module in &modules {
            let field = |key: &str| module.get(key).and_then(Value::as_str).unwrap_or_default();
            // Releases move the classes between packages; the last word stays.
            match field("type").rsplit('.').next().unwrap_or_default() {
                "Transformer" => {}
                "Normalize" => self.normalize = true,
                "Pooling" => {
                    let path = inside(field("path")).ok_or_else(|| {
                        bad(file, format!("names the path `{}`, outside the folder", field("path")))
                    })?;
                    self.pooling(&format!("{path}/config.json"), read)?;
                }
                other => {
                    self.unsupported = Some(format!("the module `{other}` of {file}"));
                }
            }
        }
        Ok(())
    }

    fn pooling(&mut self, file: &str, read: &ReadText<'_>) -> Result<(), Error> {
        let Some(map) = object(file, read)? else {
            return Err(bad(file, "is missing, but modules.json names it".into()));
        };
        let modes = pooling_modes(&map);
        self.pooling = match modes.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["cls"] => Some(Pooling::Cls),
            ["mean"] => Some(Pooling::Mean),
            _ => {
                let what = if modes.is_empty() { "none".to_owned() } else { modes.join(" + ") };
                self.unsupported =
                    Some(format!("pooling `{what}` of {file} (there are cls, mean)"));
                None
            }
        };
        if map.get("include_prompt") == Some(&Value::Bool(false)) {
            self.unsupported.get_or_insert(format!("`include_prompt: false` of {file}"));
        }
        Ok(())
    }

    fn prompts(&mut self, read: &ReadText<'_>) -> Result<(), Error> {
        let file = "config_sentence_transformers.json";
        let Some(map) = object(file, read)? else { return Ok(()) };
        for (name, prompt) in map.get("prompts").and_then(Value::as_object).into_iter().flatten() {
            let Some(prompt) = prompt.as_str() else {
                return Err(bad(file, format!("the prompt `{name}` is not a string")));
            };
            self.prompts.insert(name.clone(), prompt.to_owned());
        }
        self.default_prompt =
            map.get("default_prompt_name").and_then(Value::as_str).map(str::to_owned);
        Ok(())
    }
}

/// The modes that are on, by their new names; old files hold one switch each.
fn pooling_modes(map: &Map<String, Value>) -> Vec<String> {
    match map.get("pooling_mode") {
        Some(Value::String(mode)) => return vec![mode.clone()],
        Some(Value::Array(modes)) => {
            return modes.iter().filter_map(|m| m.as_str().map(str::to_owned)).collect();
        }
        _ => {}
    }
    let old = [
        ("pooling_mode_cls_token", "cls"),
        ("pooling_mode_mean_tokens", "mean"),
        ("pooling_mode_max_tokens", "max"),
        ("pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len_tokens"),
        ("pooling_mode_weightedmean_tokens", "weightedmean"),
        ("pooling_mode_lasttoken", "lasttoken"),
    ];
    let on = |key: &str| map.get(key) == Some(&Value::Bool(true));
    old.iter().filter(|(key, _)| on(key)).map(|(_, mode)| (*mode).to_owned()).collect()
}

/// A relative path that stays in its folder.
fn inside(path: &str) -> Option<&str> {
    let safe = |part: &str| !part.is_empty() && part != ".." && !part.contains(['\\', ':']);
    path.split('/').all(safe).then_some(path)
}

fn object(file: &str, read: &ReadText<'_>) -> Result<Option<Map<String, Value>>, Error> {
    let Some(text) = read(file)? else { return Ok(None) };
    match serde_json::from_str(&text) {
        Ok(map) => Ok(Some(map)),
        Err(e) => Err(bad(file, format!("is not a JSON object: {e}"))),
    }
}

fn bad(file: &str, what: String) -> Error {
    Error::Settings { file: file.to_owned(), what }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(files: &[(&str, &str)]) -> Result<Settings, Error> {
        Settings::read(&|path| {
            Ok(files.iter().find(|(name, _)| *name == path).map(|(_, text)| (*text).to_owned()))
        })
    }

    const MODULES: &str = r#"[
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": "a.b.c.Pooling"},
        {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"}]"#;

    #[test]
    fn old_and_new_files_say_the_same() {
        let old = r#"{"word_embedding_dimension": 4, "pooling_mode_cls_token": false,
            "pooling_mode_mean_tokens": true}"#;
        let new = r#"{"embedding_dimension": 4, "pooling_mode": "mean"}"#;
        let list = r#"{"embedding_dimension": 4, "pooling_mode": ["mean"]}"#;
        for pooling in [old, new, list] {
            let s = settings(&[("modules.json", MODULES), ("1_Pooling/config.json", pooling)]);
            let s = s.unwrap();
            assert_eq!((s.pooling, s.normalize, s.unsupported), (Some(Pooling::Mean), true, None));
        }
        let cls = r#"{"pooling_mode_cls_token": true}"#;
        let s = settings(&[("modules.json", MODULES), ("1_Pooling/config.json", cls)]).unwrap();
        assert_eq!(s.pooling, Some(Pooling::Cls));
    }

    #[test]
    fn lengths_and_prompts_are_read() {
        let s = settings(&[
            ("sentence_bert_config.json", r#"{"max_seq_length": 256}"#),
            ("tokenizer_config.json", r#"{"model_max_length": 512}"#),
            (
                "config_sentence_transformers.json",
                r#"{"prompts": {"query": "Find: "}, "default_prompt_name": "query"}"#,
            ),
        ])
        .unwrap();
        assert_eq!(s.max_length, Some(256));
        assert_eq!(s.prompts["query"], "Find: ");
        assert_eq!(s.default_prompt.as_deref(), Some("query"));
        let endless = r#"{"model_max_length": 1000000000000000019884624838656}"#;
        assert_eq!(settings(&[("tokenizer_config.json", endless)]).unwrap().max_length, None);
        assert_eq!(settings(&[]).unwrap(), Settings::default());
    }

    #[test]
    fn what_is_not_computed_is_named() {
        let max = r#"{"pooling_mode": "max"}"#;
        let s = settings(&[("modules.json", MODULES), ("1_Pooling/config.json", max)]).unwrap();
        assert!(s.unsupported.unwrap().contains("`max`"));
        let dense = r#"[{"path": "2_Dense", "type": "x.Dense"}]"#;
        let s = settings(&[("modules.json", dense)]).unwrap();
        assert!(s.unsupported.unwrap().contains("`Dense`"));
        for path in ["../x", "/etc", "a//b", ""] {
            let modules = format!(r#"[{{"path": "{path}", "type": "x.Pooling"}}]"#);
            assert!(settings(&[("modules.json", &modules)]).is_err(), "{path}");
        }
        let broken = settings(&[("sentence_bert_config.json", "[1")]).unwrap_err().to_string();
        assert!(broken.starts_with("sentence_bert_config.json"), "{broken}");
    }
}
