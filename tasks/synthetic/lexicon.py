"""The closed vocabularies of the demo, with their words in the six languages of MultiVENT 2.0.

Every table maps a component's id to its words by language. The words are chosen so that the templates of
`sentences` need no agreement, and so that a small English recogniser reads the synthesised English ones.
"""

from __future__ import annotations

LANGUAGES = ("en", "es", "ru", "ar", "zh", "ko")
LANGUAGE_NAMES = dict(zip(LANGUAGES, ("english", "spanish", "russian", "arabic", "chinese", "korean"), strict=True))

Table = dict[str, dict[str, str]]


def _table(rows: str) -> Table:
    """Lines of `id | en | es | ru | ar | zh | ko`."""
    table: Table = {}
    for row in rows.strip().splitlines():
        name, *words = (cell.strip() for cell in row.split("|"))
        table[name] = dict(zip(LANGUAGES, words, strict=True))
    return table


KINDS = _table("""
flood         | flood          | inundación            | наводнение      | فيضان         | 洪水   | 홍수
wildfire      | wildfire       | incendio forestal     | лесной пожар    | حريق غابات    | 山火   | 산불
earthquake    | earthquake     | terremoto             | землетрясение   | زلزال         | 地震   | 지진
election      | election       | elecciones            | выборы          | انتخابات      | 选举   | 선거
protest       | protest        | protesta              | протест         | احتجاج        | 抗议   | 시위
football      | football match | partido de fútbol     | футбольный матч | مباراة كرة قدم | 足球赛 | 축구 경기
concert       | concert        | concierto             | концерт         | حفل موسيقي    | 演唱会 | 콘서트
storm         | storm          | tormenta              | буря            | عاصفة         | 风暴   | 폭풍
parade        | parade         | desfile               | парад           | استعراض       | 巡游   | 퍼레이드
rocket        | rocket launch  | lanzamiento de cohete | запуск ракеты   | إطلاق صاروخ   | 火箭发射 | 로켓 발사
marathon      | marathon       | maratón               | марафон         | ماراثون       | 马拉松 | 마라톤
snowfall      | snowfall       | nevada                | снегопад        | تساقط الثلوج  | 降雪   | 폭설
""")

PLACES = _table("""
lisbon    | Lisbon    | Lisboa       | Лиссабон   | لشبونة    | 里斯本   | 리스본
cairo     | Cairo     | El Cairo     | Каир       | القاهرة   | 开罗     | 카이로
seoul     | Seoul     | Seúl         | Сеул       | سيول      | 首尔     | 서울
moscow    | Moscow    | Moscú        | Москва     | موسكو     | 莫斯科   | 모스크바
beijing   | Beijing   | Pekín        | Пекин      | بكين      | 北京     | 베이징
madrid    | Madrid    | Madrid       | Мадрид     | مدريد     | 马德里   | 마드리드
london    | London    | Londres      | Лондон     | لندن      | 伦敦     | 런던
paris     | Paris     | París        | Париж      | باريس     | 巴黎     | 파리
tokyo     | Tokyo     | Tokio        | Токио      | طوكيو     | 东京     | 도쿄
berlin    | Berlin    | Berlín       | Берлин     | برلين     | 柏林     | 베를린
rome      | Rome      | Roma         | Рим        | روما      | 罗马     | 로마
athens    | Athens    | Atenas       | Афины      | أثينا     | 雅典     | 아테네
munich    | Munich    | Múnich       | Мюнхен     | ميونخ     | 慕尼黑   | 뮌헨
baghdad   | Baghdad   | Bagdad       | Багдад     | بغداد     | 巴格达   | 바그다드
boston    | Boston    | Boston       | Бостон     | بوسطن     | 波士顿   | 보스턴
chicago   | Chicago   | Chicago      | Чикаго     | شيكاغو    | 芝加哥   | 시카고
toronto   | Toronto   | Toronto      | Торонто    | تورونتو   | 多伦多   | 토론토
sydney    | Sydney    | Sídney       | Сидней     | سيدني     | 悉尼     | 시드니
shanghai  | Shanghai  | Shanghái     | Шанхай     | شنغهاي    | 上海     | 상하이
delhi     | Delhi     | Delhi        | Дели       | دلهي      | 德里     | 델리
geneva    | Geneva    | Ginebra      | Женева     | جنيف      | 日内瓦   | 제네바
dublin    | Dublin    | Dublín       | Дублин     | دبلن      | 都柏林   | 더블린
vienna    | Vienna    | Viena        | Вена       | فيينا     | 维也纳   | 빈
warsaw    | Warsaw    | Varsovia     | Варшава    | وارسو     | 华沙     | 바르샤바
""")

# Russian colours are genitive ("красного цвета"), Arabic ones follow "باللون".
COLOURS = _table("""
red    | red    | rojo     | красного    | الأحمر    | 红色 | 빨간색
yellow | yellow | amarillo | жёлтого     | الأصفر    | 黄色 | 노란색
green  | green  | verde    | зелёного    | الأخضر    | 绿色 | 초록색
blue   | blue   | azul     | синего      | الأزرق    | 蓝色 | 파란색
purple | purple | morado   | фиолетового | البنفسجي  | 紫色 | 보라색
white  | white  | blanco   | белого      | الأبيض    | 白色 | 흰색
""")

OBJECTS = _table("""
boat     | boat     | un barco     | лодка         | قارب         | 船     | 배
truck    | truck    | un camión    | грузовик      | شاحنة        | 卡车   | 트럭
tent     | tent     | una tienda   | палатка       | خيمة         | 帐篷   | 텐트
balloon  | balloon  | un globo     | воздушный шар | منطاد        | 气球   | 풍선
drone    | drone    | un dron      | дрон          | طائرة مسيرة  | 无人机 | 드론
bicycle  | bicycle  | una bicicleta | велосипед    | دراجة        | 自行车 | 자전거
umbrella | umbrella | un paraguas  | зонт          | مظلة         | 雨伞   | 우산
kite     | kite     | una cometa   | воздушный змей | طائرة ورقية | 风筝   | 연
chair    | chair    | una silla    | стул          | كرسي         | 椅子   | 의자
robot    | robot    | un robot     | робот         | روبوت        | 机器人 | 로봇
""")

LANDMARKS = _table("""
tower    | tower        | una torre    | башня             | برج          | 塔     | 탑
bridge   | bridge       | un puente    | мост              | جسر          | 桥     | 다리
mosque   | mosque       | una mezquita | мечеть            | مسجد         | 清真寺 | 모스크
pyramid  | pyramid      | una pirámide | пирамида          | هرم          | 金字塔 | 피라미드
windmill | windmill     | un molino    | мельница          | طاحونة هواء  | 风车   | 풍차
wheel    | ferris wheel | una noria    | колесо обозрения  | عجلة ملاهي   | 摩天轮 | 관람차
""")

SOUNDS = _table("""
siren   | a siren    | una sirena  | сирена       | صفارة إنذار | 警笛 | 사이렌
bell    | a bell     | una campana | колокол      | جرس         | 钟   | 종
drum    | a drum     | un tambor   | барабан      | طبل         | 鼓   | 북
rain    | rain       | lluvia      | дождь        | مطر         | 雨   | 비
engine  | an engine  | un motor    | мотор        | محرك        | 引擎 | 엔진
whistle | a whistle  | un silbato  | свисток      | صافرة       | 哨子 | 호루라기
music   | music      | música      | музыка       | موسيقى      | 音乐 | 음악
birds   | birds      | pájaros     | птицы        | طيور        | 鸟   | 새
""")

ROLES = _table("""
doctor  | doctor  | el médico    | врач     | الطبيب  | 医生   | 의사
mayor   | mayor   | el alcalde   | мэр      | العمدة  | 市长   | 시장
teacher | teacher | el maestro   | учитель  | المعلم  | 老师   | 교사
pilot   | pilot   | el piloto    | пилот    | الطيار  | 飞行员 | 조종사
farmer  | farmer  | el granjero  | фермер   | المزارع | 农民   | 농부
lawyer  | lawyer  | el abogado   | адвокат  | المحامي | 律师   | 변호사
captain | captain | el capitán   | капитан  | القبطان | 船长   | 선장
student | student | el estudiante | студент | الطالب  | 学生   | 학생
singer  | singer  | el cantante  | певец    | المغني  | 歌手   | 가수
soldier | soldier | el soldado   | солдат   | الجندي  | 士兵   | 군인
""")

# Russian things are accusative: they only ever follow "просит".
THINGS = _table("""
bandages    | bandages    | vendas        | бинты       | ضمادات   | 绷带   | 붕대
ladders     | ladders     | escaleras     | лестницы    | سلالم    | 梯子   | 사다리
medicine    | medicine    | medicinas     | лекарства   | أدوية    | 药品   | 의약품
tickets     | tickets     | boletos       | билеты      | تذاكر    | 门票   | 입장권
candles     | candles     | velas         | свечи       | شموع     | 蜡烛   | 양초
money       | money       | dinero        | деньги      | نقود     | 现金   | 현금
batteries   | batteries   | baterías      | батарейки   | بطاريات  | 电池   | 배터리
volunteers  | volunteers  | voluntarios   | добровольцев | متطوعين | 志愿者 | 자원봉사자
helicopters | helicopters | helicópteros  | вертолёты   | مروحيات  | 直升机 | 헬리콥터
flowers     | flowers     | flores        | цветы       | زهور     | 鲜花   | 꽃다발
silence     | silence     | silencio      | тишину      | الصمت    | 安静   | 침묵
bananas     | bananas     | plátanos      | бананы      | موز      | 香蕉   | 바나나
cameras     | cameras     | cámaras       | камеры      | كاميرات  | 相机   | 카메라
potatoes    | potatoes    | patatas       | картофель   | بطاطس    | 土豆   | 감자
chocolate   | chocolate   | chocolate     | шоколад     | شوكولاتة | 巧克力 | 초콜릿
newspapers  | newspapers  | periódicos    | газеты      | صحف      | 报纸   | 신문
""")

# By the field of an event that they are of.
TABLES = {
    "kind": KINDS, "place": PLACES, "colour": COLOURS, "object": OBJECTS, "landmark": LANDMARKS, "sound": SOUNDS,
    "role": ROLES, "thing": THINGS,
}  # fmt: skip

# What signs say, in every language alike; six letters, so that a word fills the width of a frame.
SIGN_WORDS = (
    "BAKERY", "CINEMA", "CLOSED", "COFFEE", "DANGER", "DETOUR", "FOREST",
    "GARDEN", "GLOBAL", "HARBOR", "HOSTEL", "ISLAND", "MARKET", "MODERN",
    "MUSEUM", "NOTICE", "OFFICE", "PALACE", "POLICE", "PUBLIC", "SCHOOL",
    "STUDIO", "SUMMER", "SUNDAY", "TUNNEL", "UNITED", "VALLEY", "WINTER",
)  # fmt: skip
