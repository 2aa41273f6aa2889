//! A firmware image from a real web server (nginx) into a slot of files. Without nginx on the machine there is nothing to see.
#![cfg(feature = "azure")]

use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use towpath::{
    device::{
        FileSlot, Images, keep_record, read_record,
        update::{self, Job, Label, RECORD, Refused, Running, Slot as _},
    },
    https,
};

/// A folder of its own, gone with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("towpath-update-{}-{next}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// nginx over a folder; ends with the test.
struct Nginx {
    child: Child,
    port: u16,
}

impl Nginx {
    fn start(folder: &Folder) -> Option<Self> {
        let program = ["/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/sbin/nginx"];
        let program = program.into_iter().find(|path| Path::new(path).exists())?;
        let root = folder.0.display();
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let config = format!(
            "daemon off; master_process off; pid {root}/pid; error_log {root}/error.log;\n\
             events {{}}\n\
             http {{ access_log {root}/access.log; client_body_temp_path {root}/a; proxy_temp_path {root}/b;\n\
             fastcgi_temp_path {root}/c; uwsgi_temp_path {root}/d; scgi_temp_path {root}/e;\n\
             server {{ listen 127.0.0.1:{port};\n\
             location / {{ root {root}/www; }}\n\
             location /whole/ {{ alias {root}/www/; max_ranges 0; }}\n\
             location /there/ {{ return 302 /fw.bin; }}\n\
             location /round/ {{ return 302 /round/; }} }} }}\n"
        );
        fs::create_dir_all(folder.file("www")).unwrap();
        fs::write(folder.file("nginx.conf"), config).unwrap();
        let child = Command::new(program)
            .arg("-c")
            .arg(folder.file("nginx.conf"))
            .arg("-p")
            .arg(&folder.0)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut server = Self { child, port };
        // Until it listens the connection is refused at once; if it ends, the test does.
        while TcpStream::connect(("127.0.0.1", server.port)).is_err() {
            assert!(
                server.child.try_wait().unwrap().is_none(),
                "nginx did not start"
            );
            std::thread::yield_now();
        }
        Some(server)
    }

    fn job(&self, path: &str, image: &[u8], digest: [u8; 32]) -> Job {
        Job {
            url: format!("http://127.0.0.1:{}{path}", self.port)
                .as_str()
                .try_into()
                .unwrap(),
            version: Label::try_from("2.0").unwrap(),
            criteria: Label::new(),
            provider: Label::new(),
            name: Label::new(),
            size: Some(image.len() as u64),
            digest: Some(digest),
            fragment: None,
            limit: 1 << 30,
            plain: true,
        }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn images() -> Images {
    let settings = https::Settings {
        via: https::Via::Direct,
        ..https::Settings::default()
    };
    Images::new(https::Client::new(settings))
}

/// 3 MiB and a bit, and their SHA-256.
fn image() -> (Vec<u8>, [u8; 32]) {
    let image: Vec<u8> = (0..(3 << 20) + 77_u32)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    let digest = openssl::sha::sha256(&image);
    (image, digest)
}

#[tokio::test]
async fn an_image_comes_from_a_real_server_and_goes_on_after_a_restart() {
    let folder = Folder::new();
    let Some(server) = Nginx::start(&folder) else {
        eprintln!("no nginx here");
        return;
    };
    let (image, digest) = image();
    fs::write(folder.file("www/fw.bin"), &image).unwrap();
    let job = server.job("/fw.bin", &image, digest);
    let open = || FileSlot::open(folder.file("image"), 1 << 30).unwrap();
    let mut buffer = vec![0; 16_384];

    // The future is dropped in the middle, as when the device restarts.
    let (mut slot, mut source) = (open(), images());
    let stop = tokio::sync::Notify::new();
    let run = update::install(&job, &mut slot, &mut source, &mut buffer, |at, _| {
        if at > 2 << 20 {
            stop.notify_one();
        }
    });
    tokio::select! {
        biased;
        () = stop.notified() => {}
        end = run => panic!("{end:?}"),
    }
    drop(slot);
    let mut slot = open();
    let kept = slot.kept().await.unwrap().unwrap();
    assert!(
        kept.written >= 2 << 20 && kept.written < 3 << 20,
        "{}",
        kept.written
    );
    assert!(kept.image.validator.is_some(), "nginx sends an ETag");

    let mut first = None;
    let checked = update::install(&job, &mut slot, &mut source, &mut buffer, |at, _| {
        first.get_or_insert(at);
    });
    let checked = checked.await.unwrap();
    assert_eq!(first, Some(kept.written), "it went on where it was");
    assert!(
        !folder.file("image").exists(),
        "nothing is there before it is marked"
    );
    slot.mark_for_boot(&checked).await.unwrap();
    assert_eq!(fs::read(folder.file("image")).unwrap(), image);

    drop(slot);
    let mut slot = open();
    assert_eq!(slot.running().await.unwrap(), Running::Pending);
    slot.applying().unwrap();
    slot.applied().unwrap();
    drop(slot);
    let mut slot = open();
    assert_eq!(
        (slot.running().await.unwrap(), slot.version()),
        (Running::Testing, Some("2.0"))
    );
    slot.confirm().await.unwrap();
    drop(slot);
    let mut slot = open();
    assert_eq!(
        (slot.running().await.unwrap(), slot.version()),
        (Running::Confirmed, Some("2.0"))
    );
    // Another one that does not work.
    slot.applied().unwrap();
    slot.failed().unwrap();
    drop(slot);
    let mut slot = open();
    assert_eq!(
        (slot.running().await.unwrap(), slot.version()),
        (Running::RolledBack, Some("2.0"))
    );
}

#[tokio::test]
async fn real_answers_are_understood() {
    let folder = Folder::new();
    let Some(server) = Nginx::start(&folder) else {
        eprintln!("no nginx here");
        return;
    };
    let (image, digest) = image();
    fs::write(folder.file("www/fw.bin"), &image).unwrap();
    let mut buffer = vec![0; 16_384];
    for (path, size, digest, expected) in [
        ("/fw.bin", image.len(), digest, None),
        ("/whole/fw.bin", image.len(), digest, None),
        ("/there/", image.len(), digest, None),
        ("/round/", image.len(), digest, Some(Refused::Redirect)),
        ("/nothing", image.len(), digest, Some(Refused::Server)),
        ("/fw.bin", image.len() - 1, digest, Some(Refused::Size)),
        ("/fw.bin", image.len(), [7; 32], Some(Refused::Hash)),
    ] {
        let _ = fs::remove_file(folder.file("other.slot"));
        let mut slot = FileSlot::open(folder.file("other"), 1 << 30).unwrap();
        let mut job = server.job(path, &image[..size], digest);
        job.fragment = (path == "/whole/fw.bin").then_some(1_000_000);
        let end = update::install(&job, &mut slot, &mut images(), &mut buffer, |_, _| ()).await;
        assert_eq!(end.err().map(|failure| failure.reason), expected, "{path}");
    }
    // Nobody listens.
    let mut job = server.job("/fw.bin", &image, digest);
    drop(server);
    let mut slot = FileSlot::open(folder.file("none"), 1 << 30).unwrap();
    let failure = update::install(&job, &mut slot, &mut images(), &mut buffer, |_, _| ())
        .await
        .unwrap_err();
    assert_eq!(
        (failure.reason, failure.retry),
        (Refused::Unreachable, true)
    );
    assert!(failure.fault.is_some());
    job.limit = 10;
    let failure = update::install(&job, &mut slot, &mut images(), &mut buffer, |_, _| ())
        .await
        .unwrap_err();
    assert_eq!(failure.reason, Refused::NoRoom);
}

#[test]
fn a_record_is_kept_whole() {
    let folder = Folder::new();
    let path = folder.file("update.record");
    assert_eq!(read_record(&path), None);
    keep_record(&path, &[3; RECORD]).unwrap();
    assert_eq!(read_record(&path), Some([3; RECORD]));
    fs::write(&path, [3; 5]).unwrap();
    assert_eq!(read_record(&path), None);
}
