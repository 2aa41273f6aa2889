//! The lab's page in a real browser, with a real device behind it: what a person does, and what the device sees of it.

use std::sync::Arc;

use lab::{Browser, Device, Word};
use towpath_lab::{Config, Lab};

const DEVICE: &str = "device-1";

struct Scene {
    lab: Lab,
    device: Arc<Device>,
    browser: Browser,
}

impl Scene {
    /// A lab with a device that is in, and a browser.
    async fn start() -> Self {
        let config = Config::for_tests().device(DEVICE).device("device-2");
        let lab = Lab::start(config).await.expect("a lab");
        let device = Device::start(&lab, "localhost", DEVICE).await;
        let browser = Browser::start().await;
        Self {
            lab,
            device,
            browser,
        }
    }

    fn url(&self, path: &str) -> String {
        let page = self.lab.page().expect("a page");
        format!("http://{page}{path}")
    }

    /// The browser shows the device's page, which follows the lab.
    async fn device_page(&self) {
        let url = self.url(&format!("/hubs/localhost/devices/{DEVICE}"));
        self.browser.open(&url).await;
        self.browser.says("#state", "live").await;
        self.browser.says("#badge", "connected").await;
    }

    /// Nothing was complained of; all ends.
    async fn end(self) {
        let complaints = self.browser.complaints().await;
        assert!(complaints.is_empty(), "{complaints:#?}");
        self.browser.quit().await;
        self.lab.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_method_is_called_and_its_answer_seen() {
    let scene = Scene::start().await;
    let browser = &scene.browser;
    scene.device_page().await;

    browser.write("#method [name=name]", "reboot").await;
    browser
        .write("#method [name=payload]", "{\"after\": 5}")
        .await;
    browser.click("#method button").await;
    let answer = browser.says("#method output", "status 200").await;
    assert!(
        answer.contains("\"called\": \"reboot\"") && answer.contains("\"after\": 5"),
        "{answer}"
    );
    let called = |word: &Word| (*word == Word::Method("reboot".into())).then_some(());
    scene.device.hears("the method", called).await;

    // What is no JSON is not sent, and it is said why.
    browser.write("#method [name=payload]", "{after").await;
    browser.click("#method button").await;
    browser
        .says("#method output", "The payload is not JSON")
        .await;
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_desired_property_reaches_the_device_and_what_it_reports_comes_back() {
    let scene = Scene::start().await;
    let browser = &scene.browser;
    scene.device_page().await;

    browser
        .write("#desired textarea", "{\"interval\": 30, \"old\": 1}")
        .await;
    browser.click("#desired [type=submit]").await;
    browser.says("#desired output", "Saved").await;
    let interval = |wanted: &'static str| {
        move |word: &Word| match word {
            Word::Desired(body) if body.contains(wanted) => Some(body.clone()),
            _ => None,
        }
    };
    scene
        .device
        .hears("interval", interval("\"interval\":30"))
        .await;
    browser.says("#reported", "\"interval\": 30").await;

    // What is taken out of the text is taken out of the twin.
    browser
        .write("#desired textarea", "{\"interval\": 60}")
        .await;
    browser.click("#desired [type=submit]").await;
    let change = scene
        .device
        .hears("the change", interval("\"interval\":60"))
        .await;
    assert!(change.contains("\"old\":null"), "{change}");
    browser.says("#reported", "\"interval\": 60").await;

    // What can't be is refused beside the editor, and the text stays.
    let wrong = "{\"interval\": {\"$bad\": 1}}";
    browser.write("#desired textarea", wrong).await;
    browser.click("#desired [type=submit]").await;
    browser
        .holds("document.querySelector('#desired-result').classList.contains('bad')")
        .await;
    assert_eq!(browser.value("#desired textarea").await, wrong);
    scene.browser.complaints().await;
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_on_its_switch_breaks_the_device_which_recovers_when_it_is_off() {
    let scene = Scene::start().await;
    let browser = &scene.browser;
    scene.device_page().await;
    browser.says("#ladders", "hub").await;

    // CONNACK 5 from the next connection on; the hub ends this one.
    browser.click("#rung-mqtt summary").await;
    browser.click("#faults [data-fault=connack-5]").await;
    browser
        .says("#faults [id='fault-connack-5']", "on for device-1")
        .await;
    browser.click("#disconnect").await;
    let broke = |word: &Word| match word {
        Word::Broke { rung, cause } if cause.contains("refused") => {
            Some((rung.clone(), cause.clone()))
        }
        _ => None,
    };
    let (rung, _) = scene.device.hears("the refusal", broke).await;
    assert_eq!(rung, "mqtt");
    browser.says("#badge", "away").await;
    browser.says("#ladders .ladder .bad", "mqtt").await;
    browser.says("#faults-on", "1").await;

    browser.click("#faults [data-fault=connack-5]").await;
    let connected = |word: &Word| (*word == Word::Connected).then_some(());
    scene.device.hears("the way back", connected).await;
    browser.says("#badge", "connected").await;
    browser
        .holds("document.querySelector('#ladders .ladder').querySelectorAll('.ok').length === 4")
        .await;

    // Below CONNECT nobody says who they are; the ladder is shown all the same.
    browser.click("#rung-tls summary").await;
    browser.click("#faults [data-fault=cert-expired]").await;
    browser
        .says("#faults [id='fault-cert-expired']", "on for device-1")
        .await;
    browser.click("#disconnect").await;
    let broke = |word: &Word| match word {
        Word::Broke { rung, cause } if rung == "tls" => Some(cause.clone()),
        _ => None,
    };
    let cause = scene.device.hears("the expired certificate", broke).await;
    assert!(cause.contains("expired"), "{cause}");
    browser.says("#ladders .ladder .bad", "tls").await;
    browser.click("#faults [data-fault=cert-expired]").await;
    scene.device.hears("the way back", connected).await;
    browser.says("#badge", "connected").await;
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_go_both_ways_and_stay_text() {
    let scene = Scene::start().await;
    let browser = &scene.browser;
    scene.device_page().await;

    let hostile =
        "<img src=x onerror=\"document.title='broken'\"><script>document.title='broken'</script>";
    scene
        .device
        .send(hostile, "kind=%3Cb%3Ehostile%3C%2Fb%3E")
        .await;
    scene.device.send("{\"temperature\": 21.5}", "").await;
    browser.says("#messages", "\"temperature\": 21.5").await;
    let said = browser.says("#messages", "onerror").await;
    assert!(said.contains("<b>hostile</b>"), "{said}");
    browser.holds("document.querySelectorAll('#messages img, #messages script, #messages .prop b b').length === 0").await;
    browser.holds("document.title.startsWith('device-1')").await;

    browser.write("#c2d [name=body]", "open the gate").await;
    browser.write("#c2d [name=properties]", "gate=north").await;
    browser.click("#c2d button").await;
    browser.says("#c2d output", "Queued").await;
    let (topic, body) = scene
        .device
        .hears("the message", |word| match word {
            Word::Message(topic, body) => Some((topic.clone(), body.clone())),
            _ => None,
        })
        .await;
    assert_eq!(body, "open the gate");
    assert!(topic.contains("gate=north"), "{topic}");
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_can_be_used_without_a_mouse_and_says_when_the_lab_is_gone() {
    let scene = Scene::start().await;
    let browser = &scene.browser;
    browser.open(&scene.url("/")).await;
    browser.says("#devices", DEVICE).await;
    browser.says("#devices", "device-2").await;

    // The first stop of the Tab key leads past the menu.
    browser.press("\u{e004}").await;
    browser
        .holds("document.activeElement.classList.contains('skip')")
        .await;

    // The filter asks the lab, and the address has it.
    browser.write("[data-filter] input", "device-2").await;
    browser
        .holds("!document.querySelector('#devices').textContent.includes('device-1')")
        .await;
    browser
        .holds("location.search.includes('q=device-2')")
        .await;

    for path in ["/faults", "/provisioning", "/events", "/connections/1"] {
        browser.open(&scene.url(path)).await;
        browser.says("#state", "live").await;
        // Nothing that can be operated is without a name.
        browser
            .holds(
                "[...document.querySelectorAll('button, input, select, textarea, a')].every((it) => \
                 it.textContent.trim() || it.ariaLabel || it.labels?.length || it.getAttribute('aria-labelledby'))",
            )
            .await;
        let complaints = browser.complaints().await;
        assert!(complaints.is_empty(), "{path}: {complaints:#?}");
    }

    faults_of_everybody(&scene).await;

    // A click on the colours goes round: as the system has them, dark, light.
    browser.click("#theme").await;
    browser
        .holds("document.documentElement.dataset.theme === 'dark'")
        .await;

    let Scene { lab, browser, .. } = scene;
    lab.stop().await;
    browser
        .holds("!document.querySelector('#lost').hidden")
        .await;
    browser.quit().await;
}

/// On the page of all faults: for whom, how much and how often; off from the list of those that are on.
async fn faults_of_everybody(scene: &Scene) {
    let (browser, faults) = (&scene.browser, scene.lab.faults());
    browser.open(&scene.url("/faults")).await;
    browser.write("#scope [name=device]", "device-2").await;
    browser.write("#scope [name=times]", "3").await;
    browser.write("[id='fault-twin-500'] .value", "503").await;
    browser.click("[data-fault=twin-500]").await;
    browser
        .says(
            "#faults-now",
            "twin-500 on for device-2 with 503, 3 more times",
        )
        .await;
    assert_eq!(faults.on().len(), 1);
    browser.click("#faults-now button").await;
    browser
        .holds("!document.querySelector('#faults-now').textContent")
        .await;
    assert!(faults.on().is_empty());

    browser
        .write("[id='fault-upgrade-subprotocol'] .value", "mqtt")
        .await;
    browser.click("[data-fault=upgrade-subprotocol]").await;
    browser.says("#faults-now", "upgrade-subprotocol").await;
    browser.click("#all-off").await;
    browser
        .holds("!document.querySelector('#faults-now').textContent")
        .await;
    assert!(faults.on().is_empty());

    browser.write("#fault-filter", "expired").await;
    browser
        .holds("[...document.querySelectorAll('.fault')].filter((it) => it.checkVisibility()).length === 2")
        .await;
}
