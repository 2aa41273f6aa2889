//! Lines about MQTT, hubs and provisioning.

use super::{Clue, clues};
use crate::explain::log::fact::{
    Says::{Ended, Is, Names, Step},
    Step::{Accepted, ConnectSent, Connecting, DnsDone, Secured, TcpOpen, Upgraded, Working},
    Symptom::Closed,
    Trait::{Aws, Azure, BrokersLog, Mqtt311, Published, Qos2, Sleeps, Subscribed},
    Weight::{Named, Root},
};

pub(super) const CLUES: &[Clue] = clues! {
    ["azure"] Is(Azure);
    ["amazonaws"] Is(Aws);
    ["aws_iot"] Is(Aws);
    ["new connection from"] Is(BrokersLog);
    ["mqttv311"] Is(Mqtt311);
    ["mqtt 3.1.1"] Is(Mqtt311);
    ["connect | ver: 4"] Is(Mqtt311);
    ["qos2"] Is(Qos2);
    ["qos 2"] Is(Qos2);
    ["qos=2"] Is(Qos2);
    [", q2,"] Is(Qos2);
    ["psm"] Is(Sleeps);
    ["edrx"] Is(Sleeps);

    ["net_mqtt: connect completed"] Step(ConnectSent);
    // towpath's own ladder, as text and as JSON.
    ["  dns       reached"] Step(DnsDone);
    ["  tcp       reached"] Step(TcpOpen);
    ["  tls       reached"] Step(Secured);
    ["  upgrade   reached"] Step(Upgraded);
    ["  mqtt      reached"] Step(Accepted);
    ["\"trace\":\"dns\",\"state\":\"reached\""] Step(DnsDone);
    ["\"trace\":\"tcp\",\"state\":\"reached\""] Step(TcpOpen);
    ["\"trace\":\"tls\",\"state\":\"reached\""] Step(Secured);
    ["\"trace\":\"upgrade\",\"state\":\"reached\""] Step(Upgraded);
    ["\"trace\":\"mqtt\",\"state\":\"reached\""] Step(Accepted);
    ["sending connect"] Step(ConnectSent);
    ["mqtt_event_connected"] Step(Accepted);
    ["received connack (0)"] Step(Accepted);
    ["mqtt client connected!"] Step(Accepted);
    ["mqtt client connected"] Step(Accepted);
    ["mqtt connected", "!not", "!dis"] Step(Accepted);
    ["connected to mqtt broker"] Step(Accepted);
    ["connected to broker", "!not"] Step(Accepted);
    ["connected with result code 0"] Step(Accepted);
    ["connected with result code success"] Step(Accepted);
    ["azure_iot_hub_evt_connected"] Step(Accepted);
    ["azure_iot_hub_evt_ready"] Step(Working);
    ["connected to nrf cloud"] Step(Accepted);
    ["received suback"] Step(Working);
    ["mqtt_event_subscribed"] Step(Working);
    ["received puback"] Step(Working);
    ["mqtt_event_published"] Step(Working);
    ["azure_iot_hub_evt_connecting"] Step(Connecting);
    ["sending publish"] Is(Published);
    ["publishing message"] Is(Published);
    ["sending subscribe"] Is(Subscribed);
    ["sending unsubscribe"] Is(Subscribed);
    ["subscribing to"] Is(Subscribed);

    ["unacceptable protocol version"] Names("TP-MQTT-003", Root);
    ["connection refused, bad protocol"] Names("TP-MQTT-003", Root);
    ["connection refused, id rejected"] Names("TP-MQTT-004", Root);
    ["identifier rejected"] Names("TP-MQTT-004", Root);
    ["connection refused, server unavailable"] Names("TP-MQTT-005", Root);
    ["connection refused: server unavailable"] Names("TP-MQTT-005", Root);
    ["broker unavailable"] Names("TP-MQTT-005", Root);
    ["bad username or password"] Names("TP-MQTT-006", Root);
    ["bad user name or password"] Names("TP-MQTT-006", Root);
    ["connection refused, not authorized"] Names("TP-MQTT-007", Root);
    ["connection refused: not authori"] Names("TP-MQTT-007", Root);
    ["refusednotauthorized"] Names("TP-MQTT-007", Root);
    ["timed out waiting for connack"] Names("TP-MQTT-002", Root);
    ["connack", "timeout"] Names("TP-MQTT-002", Root);
    ["connack", "timed out"] Names("TP-MQTT-002", Root);
    ["missing connection acknowledgement"] Names("TP-MQTT-030", Named);
    ["no ping_resp"] Names("TP-MQTT-013", Root);
    ["pingresp", "not received"] Names("TP-MQTT-013", Root);
    ["ping", "timeout"] Names("TP-MQTT-013", Root);
    ["no puback"] Names("TP-MQTT-010", Root);
    ["puback", "timed out"] Names("TP-MQTT-010", Root);
    ["puback", "never"] Names("TP-MQTT-010", Root);
    ["has exceeded timeout"] Names("TP-MQTT-027", Root);
    ["already connected, closing old connection"] Names("TP-MQTT-018", Root);
    ["session taken over"] Names("TP-MQTT-018", Root);
    ["denied publish"] Names("TP-MQTT-026", Root);
    ["suback", "0x80"] Names("TP-MQTT-012", Root);
    ["subscription", "denied"] Names("TP-MQTT-012", Root);
    ["proxy_read_timeout"] Names("TP-MQTT-024", Root);
    ["upstream timed out"] Names("TP-MQTT-024", Root);
    ["mqtt_event_disconnected"] Ended(Closed);
    ["the connection was lost"] Ended(Closed);
    ["mqtt client disconnected"] Ended(Closed);
    ["mqtt disconnected"] Ended(Closed);
    ["azure_iot_hub_evt_disconnected"] Ended(Closed);
    ["disconnected from broker"] Ended(Closed);

    ["connectionforcefullyclosedonnewconnection"] Names("TP-HUB-001", Root);
    ["sas token is expired"] Names("TP-HUB-004", Root);
    ["sas token", "expired"] Names("TP-HUB-004", Root);
    ["quota", "exceeded"] Names("TP-HUB-008", Named);
    ["device is disabled"] Names("TP-HUB-009", Named);
    ["devicenotfound"] Names("TP-HUB-010", Root);
    ["azure_iot_hub_dps_reg_status_failed"] Names("TP-DPS-009", Named);
    ["dps registration", "failed"] Names("TP-DPS-009", Named);
};
