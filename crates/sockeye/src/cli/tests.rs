//! The command line: what is typed, what it means, and that help, manual and examples agree.

use std::fs;
use std::path::Path;

use clap::CommandFactory;

use super::*;

fn parse(words: &str) -> Result<Verb, clap::Error> {
    Cli::try_parse_from(words.split_whitespace()).map(|cli| cli.verb)
}

fn low(words: &str) -> Low {
    let Ok(Verb::Serve(args)) = parse(words) else { panic!("{words}") };
    args.source(Path::new("/home/me")).unwrap().flags
}

#[test]
fn clap_finds_no_contradiction() {
    Cli::command().debug_assert();
}

#[test]
fn every_flag_of_serve() {
    fn check(flags: &str, expected: Low) {
        assert_eq!(low(&format!("sockeye serve {flags}")), expected, "{flags}");
    }
    let listen = |text: &str| ListenAddress::from_text(text).unwrap();
    check("", Low::default());
    check(
        "public",
        Low { web: Some(true), root: Some("/home/me/public".into()), ..Low::default() },
    );
    check("/srv", Low { web: Some(true), root: Some("/srv".into()), ..Low::default() });
    check(
        "--listen [::]:80 --listen unix:s",
        Low {
            web: Some(true),
            listen: Some(vec![listen("[::]:80"), listen("unix:/home/me/s")]),
            ..Low::default()
        },
    );
    check("--workers 3", Low { workers: Some(Workers::Count(3)), ..Low::default() });
    check("--workers auto", Low { workers: Some(Workers::Auto), ..Low::default() });
    check("--strict", Low { strict: Some(true), ..Low::default() });
    check("--access-log off", Low { access_log: Some(AccessLog::Off), ..Low::default() });
    check("--access-log -", Low { access_log: Some(AccessLog::Stdout), ..Low::default() });
    check(
        "--access-log a.log",
        Low { access_log: Some(AccessLog::File("/home/me/a.log".into())), ..Low::default() },
    );
    check("--log-format json", Low { log_format: Some(LogFormat::Json), ..Low::default() });
    check("--list-directories", Low { list_directories: Some(true), ..Low::default() });
    check("--control c", Low { control: Some("/home/me/c".into()), ..Low::default() });
    check("--user www-data", Low { user: Some("www-data".into()), ..Low::default() });
    check(
        "--drain-timeout 2m",
        Low { drain_timeout: Some(Duration::from_secs(120)), ..Low::default() },
    );
    check("--set backlog=9", Low { backlog: Some(9), ..Low::default() });
    check(
        "--set workers=9 --workers 2",
        Low { workers: Some(Workers::Count(2)), ..Low::default() },
    );
}

#[test]
fn every_model_by_name() {
    for &model in ProcessModel::ALL {
        let words = format!("sockeye serve --process-model {}", model.name());
        assert_eq!(low(&words).process_model, Some(model));
    }
    for model in IoModel::ALL {
        assert_eq!(
            low(&format!("sockeye serve --io-model {}", model.name())).io_model,
            Some(model)
        );
    }
}

#[test]
fn the_file_is_seen_from_the_current_folder() {
    let Ok(Verb::Check(args)) = parse("sockeye check --config a/b.toml") else { panic!() };
    let source = args.source(Path::new("/home/me")).unwrap();
    assert_eq!(source.file.as_deref(), Some(Path::new("/home/me/a/b.toml")));
}

#[test]
fn slips_are_usage_errors_with_advice() {
    fn check(words: &str, expected: &str) {
        let error = parse(words).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{words}");
        let text = error.to_string();
        assert!(text.contains(expected), "{words}: {text}");
    }
    check("sockeye", "Usage: sockeye <COMMAND>");
    check("sockeye swim", "unrecognized subcommand 'swim'");
    check("sockeye serve --io-model epol", "'epoll'");
    check("sockeye serve --listen 8080", "write 127.0.0.1:8080");
    check("sockeye serve --workers 0", "a number from 1 to 1024");
    check("sockeye serve --drain-timeout 30", "500ms, 30s, 2m or 1h");
    check("sockeye serve a b", "unexpected argument 'b'");
    check("sockeye completions csh", "possible values");
    check("sockeye man", "required arguments were not provided");
}

#[test]
fn a_bad_key_of_set_is_a_usage_error() {
    let Ok(Verb::Serve(args)) = parse("sockeye serve --set lisen=1") else { panic!() };
    let error = args.source(Path::new("/")).unwrap_err();
    assert!(error.contains("did you mean `listen`?"), "{error}");
}

/// docs/command-line.md names every command and every flag.
#[test]
fn the_manual_is_complete() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/command-line.md");
    let manual = fs::read_to_string(path).unwrap();
    for command in Cli::command().get_subcommands() {
        let name = command.get_name();
        assert!(manual.contains(&format!("`sockeye {name}")), "{name}");
        let shown = command.get_arguments().filter(|argument| !argument.is_hide_set());
        for flag in shown.filter_map(|argument| argument.get_long()) {
            assert!(manual.contains(&format!("`--{flag}")), "{name} --{flag}");
        }
    }
}

/// Every example of the help is a command line that parses.
#[test]
fn the_examples_parse() {
    let mut seen = 0;
    let of_cron = [
        cron::NEXT_EXAMPLES,
        cron::EXPLAIN_EXAMPLES,
        cron::CHECK_EXAMPLES,
        cron::SIMULATE_EXAMPLES,
        run::RUN_EXAMPLES,
        run::CRON_RUN_EXAMPLES,
    ];
    let texts = [EXAMPLES, SERVE_EXAMPLES, CHECK_EXAMPLES, STATUS_EXAMPLES, CONNECTIONS_EXAMPLES];
    for text in texts.into_iter().chain(of_cron) {
        for line in text.lines().filter(|line| line.starts_with("  sockeye ")) {
            let words = line.trim().split("   ").next().unwrap_or("");
            let words = words.split(" | ").next().unwrap_or("").replace('\'', "");
            parse(&words).unwrap_or_else(|error| panic!("{words}: {error}"));
            seen += 1;
        }
    }
    assert!(seen >= 15, "{seen}");
}
