//! [`ModelConfig`] to `config.json`.

use serde_json::{Map, Value, json};

use super::{Architecture, ModelConfig};

impl ModelConfig {
    /// All keys, those of [`extra`](ModelConfig::extra) included; reading them back gives an equal
    /// configuration.
    pub fn to_map(&self) -> Map<String, Value> {
        let mut map = self.extra.clone();
        let mut put = |key: &str, value: Value| {
            map.insert(key.to_owned(), value);
        };
        put("vocab_size", json!(self.vocab_size));
        put("hidden_size", json!(self.hidden_size));
        put("num_hidden_layers", json!(self.num_hidden_layers));
        put("num_attention_heads", json!(self.num_attention_heads));
        put("intermediate_size", json!(self.intermediate_size));
        put("max_position_embeddings", json!(self.max_position_embeddings));
        put("type_vocab_size", json!(self.type_vocab_size));
        put("pad_token_id", json!(self.pad_token_id));
        put("hidden_act", json!("gelu"));
        put("layer_norm_eps", json!(self.layer_norm_eps));
        put("initializer_range", json!(self.initializer_range));
        put("hidden_dropout_prob", json!(self.hidden_dropout_prob));
        put("attention_probs_dropout_prob", json!(self.attention_probs_dropout_prob));
        if let Some(p) = self.classifier_dropout {
            put("classifier_dropout", json!(p));
        }
        put("num_labels", json!(self.num_labels));
        if !self.id2label.is_empty() {
            let names = self.id2label.iter().map(|(i, n)| (i.to_string(), json!(n)));
            put("id2label", Value::Object(names.collect()));
            let ids = self.id2label.iter().map(|(i, n)| (n.clone(), json!(i)));
            put("label2id", Value::Object(ids.collect()));
        }
        for (key, on) in [
            ("pool_all", self.pooling.pool_all),
            ("use_cls_token", self.pooling.use_cls_token),
            ("use_normalized_embeddings", self.pooling.use_normalized_embeddings),
            ("attention_pooling", self.pooling.attention_pooling),
            ("gather_sentence_embeddings", self.pooling.gather_sentence_embeddings),
            ("sequence_token_planting", self.pooling.sequence_token_planting),
        ] {
            // The keys are the M2 code's own: a plain BERT configuration has them only when set.
            if on || self.architecture != Architecture::Bert {
                put(key, json!(on));
            }
        }
        put("m2_padding", json!(self.padding.name()));
        self.put_architecture(&mut map);
        map
    }

    fn put_architecture(&self, map: &mut Map<String, Value>) {
        let mut put = |key: &str, value: Value| {
            map.insert(key.to_owned(), value);
        };
        match self.architecture {
            Architecture::Bert => {
                put("model_type", json!("bert"));
                put("position_embedding_type", json!("absolute"));
                return;
            }
            Architecture::M2Bert => {
                put("monarch_mixer_sequence_mixing", json!(true));
                put("long_conv_l_max", json!(self.max_position_embeddings));
                put("bidirectional", json!(self.mixer.bidirectional));
                put("residual_long_conv", json!(self.mixer.residual_long_conv));
                put("hyena_training_additions", json!(self.mixer.training_additions));
                put("hyena_filter_order", json!(self.mixer.filter_order));
                put("hyena_emb_dim", json!(self.mixer.emb_dim));
                put("hyena_w", json!(self.mixer.w));
                put("hyena_w_mod", json!(self.mixer.w_mod));
            }
            Architecture::AlibiBert => put("monarch_mixer_sequence_mixing", json!(false)),
        }
        put("use_positional_encodings", json!(self.use_positional_encodings));
        put("use_glu_mlp", json!(self.mlp.glu));
        put("use_monarch_mlp", json!(self.mlp.blocks.is_some()));
        put("monarch_mlp_nblocks", json!(self.mlp.blocks.unwrap_or(4)));
    }

    /// The text of a `config.json`, indented, keys sorted, with a final newline.
    pub fn to_json(&self) -> String {
        let sorted: std::collections::BTreeMap<_, _> = self.to_map().into_iter().collect();
        // A map of strings to JSON values always serialises.
        let mut text = serde_json::to_string_pretty(&sorted).unwrap_or_default();
        text.push('\n');
        text
    }
}
