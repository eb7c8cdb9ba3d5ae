//! A real TensorBoard on a log directory, asked over HTTP; and the proof that it shows what `tfevents` writes.
//!
//! [`TensorBoard`] serves other tests too. It is the TensorBoard of `.venv`, which `scripts/setup.sh` makes.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    net::TcpStream,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use gridboard::{
    spec::Value,
    tfevents::{
        EventWriter,
        hparams::{HParamInfo, MetricInfo, Status, write_experiment_record, write_session},
    },
};
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use serde_json::{Value as Json, json};
use tempfile::TempDir;

/// A running TensorBoard; ended when dropped.
pub(crate) struct TensorBoard {
    child: Child,
    port: u16,
    scratch: TempDir,
}

impl TensorBoard {
    /// Starts TensorBoard on `logdir` and returns when it answers. It looks for new data every second.
    pub(crate) fn start(logdir: &Path) -> Self {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin/tensorboard");
        assert!(program.exists(), "{} is missing: run scripts/setup.sh", program.display());
        let scratch = tempfile::tempdir().expect("a directory for the log");
        let log = File::create(scratch.path().join("log")).expect("a log file");
        let child = Command::new(&program)
            .arg("--logdir")
            .arg(logdir)
            .args(["--host", "127.0.0.1", "--port", "0", "--load_fast=true", "--reload_interval", "1"])
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            // A group of its own: TensorBoard has a data server as its child.
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", program.display()));
        let mut board = Self { child, port: 0, scratch };
        board.port = board.wait_for("TensorBoard's address", |board| {
            if let Ok(Some(status)) = board.child.try_wait() {
                panic!("TensorBoard ended with {status}:\n{}", board.log());
            }
            let log = board.log();
            let (_, address) = log.split_once("http://127.0.0.1:")?;
            address.split_once('/')?.0.parse().ok()
        });
        board.wait_for("TensorBoard's answer", |board| board.try_get("/data/environment").ok());
        board
    }

    /// Asks until `answer` is there, for a minute at most.
    pub(crate) fn wait_for<T>(&mut self, what: &str, mut answer: impl FnMut(&mut Self) -> Option<T>) -> T {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(answer) = answer(self) {
                return answer;
            }
            assert!(
                Instant::now() < deadline,
                "waited in vain for {what}; TensorBoard says:\n{}",
                self.log()
            );
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// The body at `path`, which holds its query.
    pub(crate) fn get(&self, path: &str) -> Vec<u8> {
        self.try_get(path).unwrap_or_else(|error| panic!("GET {path}: {error}\n{}", self.log()))
    }

    /// The JSON at `path` with a query.
    pub(crate) fn get_json(&self, path: &str, query: &[(&str, &str)]) -> Json {
        parse(&self.get(&format!("{path}?{}", form(query))))
    }

    /// The JSON that answers a JSON body.
    pub(crate) fn post_json(&self, path: &str, body: &Json) -> Json {
        self.post(path, "application/json", &body.to_string())
    }

    /// The JSON that answers a form.
    pub(crate) fn post_form(&self, path: &str, fields: &[(&str, &str)]) -> Json {
        self.post(path, "application/x-www-form-urlencoded", &form(fields))
    }

    fn post(&self, path: &str, kind: &str, body: &str) -> Json {
        let head = format!("Content-Type: {kind}\r\nContent-Length: {}\r\n", body.len());
        let answer = self.request("POST", path, &head, body);
        parse(&answer.unwrap_or_else(|error| panic!("POST {path}: {error}\n{}", self.log())))
    }

    fn try_get(&self, path: &str) -> io::Result<Vec<u8>> {
        self.request("GET", path, "", "")
    }

    fn request(&self, method: &str, path: &str, head: &str, body: &str) -> io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n{head}\r\n{body}",
            self.port
        )?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        body_of(&answer)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.scratch.path().join("log")).unwrap_or_default()
    }
}

impl Drop for TensorBoard {
    fn drop(&mut self) {
        let group = Pid::from_raw(self.child.id().try_into().expect("a process id is an i32"));
        // Fails only where all of it has ended already.
        let _ = killpg(group, Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

/// The body of an HTTP/1.1 answer with status 200.
fn body_of(answer: &[u8]) -> io::Result<Vec<u8>> {
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    let mut rest = &answer[end + 4..];
    if !head.starts_with("http/1.1 200 ") {
        return Err(io::Error::other(format!("{head}\n{}", String::from_utf8_lossy(rest))));
    }
    if !head.contains("\r\ntransfer-encoding: chunked") {
        return Ok(rest.to_vec());
    }
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|bytes| bytes == b"\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
        let size = String::from_utf8_lossy(&rest[..line]);
        let size = usize::from_str_radix(size.trim(), 16).map_err(io::Error::other)?;
        if size == 0 {
            return Ok(body);
        }
        let chunk = rest.get(line + 2..line + 2 + size).ok_or(io::ErrorKind::UnexpectedEof)?;
        body.extend_from_slice(chunk);
        rest = rest.get(line + 4 + size..).ok_or(io::ErrorKind::UnexpectedEof)?;
    }
}

/// `application/x-www-form-urlencoded`, also the form of a query.
fn form(fields: &[(&str, &str)]) -> String {
    let escape = |text: &str| -> String {
        let escaped = |byte: &u8| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => char::from(*byte).to_string(),
            _ => format!("%{byte:02X}"),
        };
        text.as_bytes().iter().map(escaped).collect()
    };
    let fields: Vec<_> =
        fields.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value))).collect();
    fields.join("&")
}

fn parse(body: &[u8]) -> Json {
    serde_json::from_slice(body)
        .unwrap_or_else(|error| panic!("no JSON: {error}: {}", String::from_utf8_lossy(body)))
}

const RUNS: [(&str, i64, Option<(Status, f64)>); 3] = [
    ("1-conv-32-nodes-0-dense", 32, Some((Status::Success, 1060.5))),
    ("1-conv-64-nodes-0-dense", 64, Some((Status::Failure, 1030.0))),
    ("1-conv-128-nodes-0-dense", 128, None),
];
const EPOCHS: i64 = 4;

/// Values that no shorter float stands for, so that a rounding on the way would show.
#[expect(clippy::cast_precision_loss, reason = "both are small")]
fn accuracy(width: i64, epoch: i64) -> f32 {
    1.0 / 3.0 + width as f32 / 700.0 + epoch as f32 * 0.1
}

fn hparams(width: i64) -> Vec<(String, Value)> {
    vec![
        ("layer_size".to_owned(), Value::Int(width)),
        ("optimizer".to_owned(), Value::Text("adam".to_owned())),
        ("augment".to_owned(), Value::Bool(false)),
    ]
}

/// A confusion matrix in gray.
fn png() -> Vec<u8> {
    let mut png = io::Cursor::new(Vec::new());
    let image =
        image::GrayImage::from_fn(30, 20, |x, y| image::Luma([u8::try_from(x * y % 256).unwrap_or(0)]));
    image.write_to(&mut png, image::ImageFormat::Png).expect("a PNG in memory");
    png.into_inner()
}

fn write_experiment(logdir: &Path) {
    let widths: Vec<_> = RUNS.iter().map(|run| Value::Int(run.1)).collect();
    let infos = [
        HParamInfo::new("layer_size", &widths),
        HParamInfo::new("optimizer", &[Value::Text("adam".to_owned())]),
        HParamInfo::new("augment", &[Value::Bool(false)]),
    ];
    let metrics = [
        MetricInfo::new("validation/epoch_accuracy", "accuracy (validation)"),
        MetricInfo::new("train/epoch_loss", "loss (train)"),
    ];
    write_experiment_record(logdir, &infos, &metrics, "tab3", "the paper's grid", 999.0).unwrap();
    let mut page = EventWriter::create_at(logdir, 999.0).unwrap();
    page.text("top_ten", 0, 999.0, "| rank | run |\n|---|---|\n| 1 | 3-conv |").unwrap();
    page.finish().unwrap();
    for (name, width, end) in RUNS {
        let dir = logdir.join(name);
        write_session(&dir, &hparams(width), "", 1000.25, None).unwrap();
        let mut train = EventWriter::create_at(&dir.join("train"), 1001.0).unwrap();
        let mut validation = EventWriter::create_at(&dir.join("validation"), 1001.0).unwrap();
        for epoch in 0..EPOCHS {
            let time = 1002.5;
            train.scalar("epoch_loss", epoch, 1.0 - accuracy(width, epoch), time).unwrap();
            validation.scalar("epoch_accuracy", epoch, accuracy(width, epoch), time).unwrap();
            validation.image("confusion_matrix", epoch, time, &png(), 30, 20).unwrap();
        }
        train.finish().unwrap();
        validation.finish().unwrap();
        write_session(&dir, &hparams(width), "", 1000.25, end).unwrap();
    }
}

/// Rows of the HParams table whose status is one of `statuses`, best accuracy first.
fn session_groups(board: &TensorBoard, statuses: &[&str]) -> Vec<Json> {
    let metric = json!({"group": "validation", "tag": "epoch_accuracy"});
    let request = json!({
        "experimentName": "", "allowedStatuses": statuses, "startIndex": 0, "sliceSize": 1000,
        "colParams": [{"metric": metric, "order": "ORDER_DESC"}],
    });
    let answer = board.post_json("/data/plugin/hparams/session_groups", &request);
    answer["sessionGroups"].as_array().cloned().unwrap_or_default()
}

const STATUSES: [&str; 4] = ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"];

/// TensorBoard widens an f32 to print it; rounding takes it back, bit for bit.
#[expect(clippy::cast_possible_truncation, reason = "the number was an f32")]
fn bits(value: &Json) -> u32 {
    (value.as_f64().unwrap_or_else(|| panic!("no number: {value}")) as f32).to_bits()
}

#[test]
fn an_experiment_is_shown_as_it_was_written() {
    let logdir = tempfile::tempdir().unwrap();
    write_experiment(logdir.path());
    let mut board = TensorBoard::start(logdir.path());
    let expected: Vec<String> = {
        let subs = |name: &str| [format!("{name}/train"), format!("{name}/validation"), name.to_owned()];
        let mut runs: Vec<_> = RUNS.iter().flat_map(|run| subs(run.0)).chain([".".to_owned()]).collect();
        runs.sort();
        runs
    };
    board.wait_for("all runs", |board| {
        let mut runs: Vec<String> = serde_json::from_slice(&board.get("/data/runs")).unwrap();
        runs.sort();
        (runs == expected).then_some(())
    });
    // The run list is there before the last file is loaded.
    board.wait_for("all rows of the table", |board| {
        let rows = session_groups(board, &STATUSES);
        let full = |row: &Json| row["metricValues"].as_array().is_some_and(|values| values.len() == 2);
        (rows.len() == RUNS.len() && rows.iter().all(full)).then_some(())
    });
    let plugins = board.get_json("/data/plugins_listing", &[]);
    for plugin in ["scalars", "images", "hparams", "text"] {
        assert_eq!(plugins[plugin]["enabled"], true, "{plugin}");
    }
    scalars_are_shown(&board);
    images_are_shown(&board);
    the_table_is_shown(&board);
    let text = board.get_json("/data/plugin/text/text", &[("run", "."), ("tag", "top_ten")]);
    let text = text[0]["text"].as_str().unwrap();
    assert!(text.contains("<table>") && text.contains("<td>3-conv</td>"), "{text}");
}

fn scalars_are_shown(board: &TensorBoard) {
    for (name, width, _) in RUNS {
        let run = format!("{name}/validation");
        let query = [("run", run.as_str()), ("tag", "epoch_accuracy")];
        let points = board.get_json("/data/plugin/scalars/scalars", &query);
        let points: Vec<_> =
            points.as_array().unwrap().iter().map(|p| (p[0].clone(), p[1].clone(), bits(&p[2]))).collect();
        let expected: Vec<_> = (0..EPOCHS)
            .map(|epoch| (json!(1002.5), json!(epoch), accuracy(width, epoch).to_bits()))
            .collect();
        assert_eq!(points, expected);
    }
    let runs = RUNS.map(|run| format!("{}/train", run.0));
    let mut fields = vec![("tag", "epoch_loss")];
    fields.extend(runs.iter().map(|run| ("runs", run.as_str())));
    let answer = board.post_form("/data/plugin/scalars/scalars_multirun", &fields);
    for (run, (_, width, _)) in runs.iter().zip(RUNS) {
        let found: Vec<_> = answer[run].as_array().unwrap().iter().map(|point| bits(&point[2])).collect();
        let expected: Vec<_> = (0..EPOCHS).map(|epoch| (1.0 - accuracy(width, epoch)).to_bits()).collect();
        assert_eq!(found, expected);
    }
}

fn images_are_shown(board: &TensorBoard) {
    let run = format!("{}/validation", RUNS[1].0);
    let query = [("run", run.as_str()), ("tag", "confusion_matrix"), ("sample", "0")];
    let samples = board.get_json("/data/plugin/images/images", &query);
    let samples = samples.as_array().unwrap();
    let steps: Vec<_> = samples.iter().map(|sample| sample["step"].as_i64().unwrap()).collect();
    assert_eq!(steps, (0..EPOCHS).collect::<Vec<_>>());
    let last = samples.last().unwrap()["query"].as_str().unwrap();
    assert_eq!(board.get(&format!("/data/plugin/images/individualImage?{last}")), png());
}

fn the_table_is_shown(board: &TensorBoard) {
    let experiment = board.post_json("/data/plugin/hparams/experiment", &json!({}));
    assert_eq!((&experiment["name"], &experiment["timeCreatedSecs"]), (&json!("tab3"), &json!(999.0)));
    let columns: Vec<_> = experiment["hparamInfos"].as_array().unwrap().iter().collect();
    let names: Vec<_> = columns.iter().map(|column| (&column["name"], &column["type"])).collect();
    let expected = [
        (json!("layer_size"), json!("DATA_TYPE_FLOAT64")),
        (json!("augment"), json!("DATA_TYPE_BOOL")),
        (json!("optimizer"), json!("DATA_TYPE_STRING")),
    ];
    assert_eq!(names, expected.iter().map(|(name, kind)| (name, kind)).collect::<Vec<_>>());
    assert_eq!(columns[0]["domainDiscrete"], json!([32.0, 64.0, 128.0]));
    assert_eq!(columns[0]["differs"], true);
    let metrics: Vec<_> =
        experiment["metricInfos"].as_array().unwrap().iter().map(|metric| &metric["displayName"]).collect();
    assert_eq!(metrics, ["accuracy (validation)", "loss (train)"]);

    // The widest run is the most accurate.
    let rows = session_groups(board, &STATUSES);
    let names: Vec<_> = rows.iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!(names, [RUNS[2].0, RUNS[1].0, RUNS[0].0]);
    for (row, (_, width, end)) in rows.iter().zip(RUNS.iter().rev()) {
        let hparams = json!({"layer_size": (*width as f64), "optimizer": "adam", "augment": false});
        assert_eq!(row["hparams"], hparams);
        let session = &row["sessions"][0];
        let status = match end {
            Some((Status::Success, _)) => "STATUS_SUCCESS",
            Some((Status::Failure, _)) => "STATUS_FAILURE",
            None => "STATUS_UNKNOWN",
        };
        assert_eq!((&session["status"], &session["startTimeSecs"]), (&json!(status), &json!(1000.25)));
        if let Some((_, time)) = end {
            assert_eq!(session["endTimeSecs"], json!(time));
        }
        let value = |group: &str| {
            let values = row["metricValues"].as_array().unwrap();
            let value = values.iter().find(|value| value["name"]["group"] == group).unwrap();
            assert_eq!(value["trainingStep"], EPOCHS - 1);
            bits(&value["value"])
        };
        let last = accuracy(*width, EPOCHS - 1);
        assert_eq!((value("validation"), value("train")), (last.to_bits(), (1.0 - last).to_bits()));
    }
    let failed = session_groups(board, &["STATUS_FAILURE"]);
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0]["name"], RUNS[1].0);
}

/// What a user sees who watches a sweep: records torn by the moment of reading, sessions that end, files of a resumed run.
#[test]
fn a_live_run_is_shown_as_it_grows() {
    let logdir = tempfile::tempdir().unwrap();
    let run = logdir.path().join("run");
    write_session(&run, &hparams(32), "", 1000.0, None).unwrap();
    let mut bytes = Vec::new();
    let mut writer = EventWriter::new(&mut bytes, Path::new("memory"), 1.0).unwrap();
    (0..2).for_each(|step| writer.scalar("epoch_loss", step, 0.5, 1.0).unwrap());
    writer.finish().unwrap();
    let (first, rest) = bytes.split_at(bytes.len() - 20);
    let train = run.join("train");
    fs::create_dir(&train).unwrap();
    let path = train.join("events.out.tfevents.0000000001.host.1");
    fs::write(&path, first).unwrap();

    let mut board = TensorBoard::start(logdir.path());
    let wait_for_steps = |board: &mut TensorBoard, expected: &[i64]| {
        board.wait_for(&format!("the steps {expected:?}"), |board| {
            let tags = board.get_json("/data/plugin/scalars/tags", &[]);
            tags["run/train"].get("epoch_loss")?;
            let query = [("run", "run/train"), ("tag", "epoch_loss")];
            let points = board.get_json("/data/plugin/scalars/scalars", &query);
            let steps: Vec<_> = points.as_array()?.iter().filter_map(|point| point[1].as_i64()).collect();
            (steps == expected).then_some(())
        });
    };
    wait_for_steps(&mut board, &[0]);
    OpenOptions::new().append(true).open(&path).unwrap().write_all(rest).unwrap();
    wait_for_steps(&mut board, &[0, 1]);
    // A resume from step 1: a new file, whose steps evict the old ones.
    let mut resumed = EventWriter::create_at(&train, 2.0).unwrap();
    resumed.session_start(1, 2.0).unwrap();
    (1..4).for_each(|step| resumed.scalar("epoch_loss", step, 0.25, 2.0).unwrap());
    resumed.flush().unwrap();
    wait_for_steps(&mut board, &[0, 1, 2, 3]);

    let wait_for_status = |board: &mut TensorBoard, expected: &str| {
        board.wait_for(expected, |board| {
            let rows = session_groups(board, &STATUSES);
            (rows.first()?["sessions"][0]["status"] == expected).then_some(())
        });
    };
    wait_for_status(&mut board, "STATUS_UNKNOWN");
    write_session(&run, &hparams(32), "", 1000.0, Some((Status::Success, 1001.0))).unwrap();
    wait_for_status(&mut board, "STATUS_SUCCESS");
}
