//! Packets that own their parts, to be made up by proptest and lent to the codec.

use proptest::{
    collection::vec,
    option,
    prelude::*,
    sample::{select, subsequence},
};
use towpath_proto::mqtt::{
    QoS, Version,
    packet::{
        Ack, Auth, Connack, Connect, Disconnect, Packet, PacketId, Publish, RetainHandling, Suback,
        Subscribe, Subscription, Unsubscribe, Will,
    },
    property::{Properties, Property, VarInt},
    reason::ReasonCode,
    topic::{TopicFilter, TopicName},
};

/// A property by its identifier, with a value of each type; the identifier says which counts.
#[derive(Debug, Clone)]
pub(crate) struct Prop {
    id: u8,
    number: u32,
    text: String,
    value: String,
    bytes: Vec<u8>,
}

impl Prop {
    fn lend(&self) -> Property<'_> {
        let (number, text) = (self.number, self.text.as_str());
        let short = number as u16;
        let flag = (number & 1) as u8;
        match self.id {
            0x01 => Property::PayloadFormatIndicator(flag),
            0x02 => Property::MessageExpiryInterval(number),
            0x03 => Property::ContentType(text),
            0x08 => Property::ResponseTopic(if text.is_empty() { "r" } else { text }),
            0x09 => Property::CorrelationData(&self.bytes),
            0x0B => Property::SubscriptionIdentifier(VarInt((number & 0x0FFF_FFFF).max(1))),
            0x11 => Property::SessionExpiryInterval(number),
            0x12 => Property::AssignedClientIdentifier(text),
            0x13 => Property::ServerKeepAlive(short),
            0x15 => Property::AuthenticationMethod(text),
            0x16 => Property::AuthenticationData(&self.bytes),
            0x17 => Property::RequestProblemInformation(flag),
            0x18 => Property::WillDelayInterval(number),
            0x19 => Property::RequestResponseInformation(flag),
            0x1A => Property::ResponseInformation(text),
            0x1C => Property::ServerReference(text),
            0x1F => Property::ReasonString(text),
            0x21 => Property::ReceiveMaximum(short.max(1)),
            0x22 => Property::TopicAliasMaximum(short),
            0x23 => Property::TopicAlias(short.max(1)),
            0x24 => Property::MaximumQoS(flag),
            0x25 => Property::RetainAvailable(flag),
            0x27 => Property::MaximumPacketSize(number.max(1)),
            0x28 => Property::WildcardSubscriptionAvailable(flag),
            0x29 => Property::SubscriptionIdentifierAvailable(flag),
            0x2A => Property::SharedSubscriptionAvailable(flag),
            _ => Property::UserProperty((text, &self.value)),
        }
    }
}

/// MQTT 5 table 2-4: the properties of each packet, without the user property, which all have.
pub(crate) const CONNECT: &[u8] = &[0x11, 0x15, 0x16, 0x17, 0x19, 0x21, 0x22, 0x27];
pub(crate) const CONNACK: &[u8] = &[
    0x11, 0x12, 0x13, 0x15, 0x16, 0x1A, 0x1C, 0x1F, 0x21, 0x22, 0x24, 0x25, 0x27, 0x28, 0x29, 0x2A,
];
pub(crate) const PUBLISH: &[u8] = &[0x01, 0x02, 0x03, 0x08, 0x09, 0x0B, 0x23];
pub(crate) const WILL: &[u8] = &[0x01, 0x02, 0x03, 0x08, 0x09, 0x18];
pub(crate) const ACK: &[u8] = &[0x1F];
pub(crate) const SUBSCRIBE: &[u8] = &[0x0B];
pub(crate) const UNSUBSCRIBE: &[u8] = &[];
pub(crate) const DISCONNECT: &[u8] = &[0x11, 0x1C, 0x1F];
pub(crate) const AUTH: &[u8] = &[0x15, 0x16, 0x1F];

pub(crate) fn text() -> impl Strategy<Value = String> {
    "[ -~\u{80}-\u{7ff}\u{20ac}\u{1f600}]{0,24}".prop_map(|text| text.replace(['+', '#'], "-"))
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..40)
}

fn prop(id: u8) -> impl Strategy<Value = Prop> {
    (any::<u32>(), text(), text(), bytes()).prop_map(move |(number, text, value, bytes)| Prop {
        id,
        number,
        text,
        value,
        bytes,
    })
}

/// Properties that `allowed` names, once each, and a few that repeat, in any order.
fn props(allowed: &'static [u8]) -> impl Strategy<Value = Vec<Prop>> {
    let repeat: &[u8] = if allowed == PUBLISH {
        &[0x0B, 0x26]
    } else {
        &[0x26]
    };
    (
        subsequence(allowed, 0..=allowed.len()),
        vec(select(repeat), 0..3),
    )
        .prop_map(|(once, repeated)| [once, repeated].concat())
        .prop_shuffle()
        .prop_flat_map(|ids| ids.into_iter().map(prop).collect::<Vec<_>>())
        .prop_map(move |mut props| {
            // Data needs a method (MQTT 5 sections 3.1.2.11.10 and 3.15.2.2.2).
            let method = props.iter().any(|prop| prop.id == 0x15);
            if !method && allowed == CONNECT {
                props.retain(|prop| prop.id != 0x16);
            }
            if !method && allowed == AUTH {
                props.clear();
            }
            props
        })
}

pub(crate) fn topic() -> impl Strategy<Value = String> {
    "[a-z0-9/$ \u{e9}\u{20ac}-]{1,50}"
}

pub(crate) fn filter() -> impl Strategy<Value = String> {
    ("(\\$share/[a-z]{1,8}/)?([a-z]{0,5}|\\+)(/([a-z\u{e9}]{0,5}|\\+)){0,4}(/#)?")
        .prop_map(|text| {
            if text.is_empty() || text.ends_with("e/") {
                "x".into()
            } else {
                text
            }
        })
        .prop_filter("a share with an empty filter", |text| {
            TopicFilter::new(text).is_ok()
        })
}

#[derive(Debug, Clone)]
pub(crate) struct OwnedWill {
    topic: String,
    payload: Vec<u8>,
    qos: QoS,
    retain: bool,
    props: Vec<Prop>,
}

/// The parts of any packet; the kind says which count.
#[derive(Debug, Clone)]
pub(crate) struct Owned {
    kind: u8,
    props: Vec<Prop>,
    id: u16,
    flags: [bool; 3],
    qos: QoS,
    code: u8,
    codes: Vec<u8>,
    topic: String,
    text: String,
    user: Option<String>,
    bytes: Vec<u8>,
    password: Option<Vec<u8>>,
    will: Option<OwnedWill>,
    list: Vec<(String, QoS, u8)>,
}

fn qos() -> impl Strategy<Value = QoS> {
    select(&[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][..])
}

fn will() -> impl Strategy<Value = OwnedWill> {
    (topic(), bytes(), qos(), any::<bool>(), props(WILL)).prop_map(
        |(topic, payload, qos, retain, props)| OwnedWill {
            topic,
            payload,
            qos,
            retain,
            props,
        },
    )
}

fn allowed(kind: u8) -> &'static [u8] {
    match kind {
        1 => CONNECT,
        2 => CONNACK,
        3 => PUBLISH,
        8 => SUBSCRIBE,
        10 => UNSUBSCRIBE,
        14 => DISCONNECT,
        15 => AUTH,
        _ => ACK,
    }
}

/// The reason codes that the tables of MQTT 5 name for a packet.
pub(crate) fn codes(kind: u8) -> &'static [u8] {
    match kind {
        2 => &[
            0, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8C, 0x90, 0x95,
            0x97, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9F,
        ],
        4 | 5 => &[0, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99],
        6 | 7 => &[0, 0x92],
        9 => &[
            0, 1, 2, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2,
        ],
        11 => &[0, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91],
        14 => &[
            0, 4, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8B, 0x8D, 0x8E, 0x8F, 0x90, 0x93, 0x94,
            0x95, 0x96, 0x97, 0x98, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9E, 0x9F, 0xA0, 0xA1, 0xA2,
        ],
        15 => &[0, 0x18, 0x19],
        _ => &[0],
    }
}

fn of_kind(kind: u8) -> impl Strategy<Value = Owned> {
    let small = (
        props(allowed(kind)),
        1..=u16::MAX,
        any::<[bool; 3]>(),
        qos(),
        select(codes(kind)),
        vec(select(codes(kind)), 1..6),
    );
    let large = (
        topic(),
        text(),
        option::of(text()),
        vec(any::<u8>(), 0..300),
        option::of(bytes()),
        option::of(will()),
        vec((filter(), qos(), 0..12u8), 1..5),
    );
    (small, large).prop_map(move |(small, large)| {
        let (props, id, flags, qos, code, codes) = small;
        let (topic, text, user, bytes, password, will, list) = large;
        Owned {
            kind,
            props,
            id,
            flags,
            qos,
            code,
            codes,
            topic,
            text,
            user,
            bytes,
            password,
            will,
            list,
        }
    })
}

/// A packet that is valid in both versions, except AUTH.
pub(crate) fn packet(version: Version) -> impl Strategy<Value = Owned> {
    let last = if version == Version::V5 { 15u8 } else { 14 };
    (1..=last)
        .prop_flat_map(of_kind)
        .prop_map(move |packet| packet.fit(version))
}

impl Owned {
    /// Leaves out what the version does not have.
    fn fit(mut self, version: Version) -> Self {
        if self.kind == 15 && self.props.is_empty() {
            self.code = 0;
        }
        if version == Version::V5 {
            return self;
        }
        self.props.clear();
        if let Some(will) = &mut self.will {
            will.props.clear();
        }
        self.user = self
            .user
            .or_else(|| self.password.is_some().then(String::new));
        self.flags[0] |= self.text.is_empty();
        self.list.iter_mut().for_each(|entry| entry.2 = 0);
        match self.kind {
            2 => {
                let code = self.id as u8 % 6;
                self.code = ReasonCode::from_v311_connack(code).map_or(0, |reason| reason.0);
            }
            9 => self.codes.iter_mut().for_each(|code| {
                if *code > 2 {
                    *code = 0x80;
                }
            }),
            11 => self.codes.clear(),
            _ => self.code = 0,
        }
        self
    }

    /// Lends the packet to `f`.
    pub(crate) fn with<T>(&self, version: Version, f: impl FnOnce(&Packet<'_>) -> T) -> T {
        let list: Vec<Property<'_>> = self.props.iter().map(Prop::lend).collect();
        let properties = Properties::new(&list);
        let packet_id = PacketId::new(self.id).expect("not 0");
        let reason = ReasonCode(self.code);
        let ack = Ack {
            packet_id,
            reason,
            properties,
        };
        let suback = Suback {
            packet_id,
            properties,
            codes: &self.codes,
        };
        match self.kind {
            1 => self.with_connect(version, properties, f),
            2 => f(&Packet::Connack(Connack {
                session_present: self.flags[0] && self.code == 0,
                reason,
                properties,
            })),
            3 => f(&Packet::Publish(self.publish(properties))),
            4 => f(&Packet::Puback(ack)),
            5 => f(&Packet::Pubrec(ack)),
            6 => f(&Packet::Pubrel(ack)),
            7 => f(&Packet::Pubcomp(ack)),
            8 => {
                let list: Vec<_> = self.list.iter().map(subscription).collect();
                f(&Packet::Subscribe(Subscribe::new(
                    packet_id, &list, properties,
                )))
            }
            9 => f(&Packet::Suback(suback)),
            10 => {
                let filters = self.list.iter().map(|entry| TopicFilter::new(&entry.0));
                let list: Vec<_> = filters.map(|filter| filter.expect("good")).collect();
                f(&Packet::Unsubscribe(Unsubscribe::new(
                    packet_id, &list, properties,
                )))
            }
            11 => f(&Packet::Unsuback(suback)),
            12 => f(&Packet::Pingreq),
            13 => f(&Packet::Pingresp),
            14 => f(&Packet::Disconnect(Disconnect { reason, properties })),
            _ => f(&Packet::Auth(Auth { reason, properties })),
        }
    }

    fn publish<'a>(&'a self, properties: Properties<'a>) -> Publish<'a> {
        let counted = self.qos != QoS::AtMostOnce;
        Publish {
            dup: self.flags[0] && counted,
            qos: self.qos,
            retain: self.flags[1],
            topic: TopicName::new(&self.topic).expect("a good name"),
            packet_id: PacketId::new(self.id).filter(|_| counted),
            properties,
            payload: &self.bytes,
        }
    }

    fn with_connect<T>(
        &self,
        version: Version,
        properties: Properties<'_>,
        f: impl FnOnce(&Packet<'_>) -> T,
    ) -> T {
        let props: Vec<Property<'_>> = match &self.will {
            Some(will) => will.props.iter().map(Prop::lend).collect(),
            None => Vec::new(),
        };
        let will = self.will.as_ref().map(|will| Will {
            topic: TopicName::new(&will.topic).expect("a good name"),
            payload: &will.payload,
            qos: will.qos,
            retain: will.retain,
            properties: Properties::new(&props),
        });
        f(&Packet::Connect(Connect {
            version,
            clean_start: self.flags[0],
            keep_alive: self.id,
            client_id: &self.text,
            will,
            user_name: self.user.as_deref(),
            password: self.password.as_deref(),
            properties,
        }))
    }
}

fn subscription((filter, qos, options): &(String, QoS, u8)) -> Subscription<'_> {
    let filter = TopicFilter::new(filter).expect("a good filter");
    Subscription {
        no_local: options & 1 != 0 && !filter.is_shared(),
        retain_as_published: options & 2 != 0,
        retain_handling: match options >> 2 {
            0 => RetainHandling::Send,
            1 => RetainHandling::SendIfNew,
            _ => RetainHandling::DoNotSend,
        },
        ..Subscription::new(filter, *qos)
    }
}
