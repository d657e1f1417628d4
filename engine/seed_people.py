"""The people of the demo community: plainly fictional, at addresses that reach nobody."""

from typing import Final, NamedTuple

from domain.people import Role

HOST: Final = "demo.example"
CHINESE, ENGLISH = "zh-CN", "en"


class Someone(NamedTuple):
    """One member: ``key`` is the local part of the address; ``days`` ago is when they joined."""

    key: str
    name: str
    locale: str
    time_zone: str = "Asia/Shanghai"
    days: int = 400
    circles: tuple[str, ...] = ()
    invited_by: str | None = None
    roles: tuple[Role, ...] = ()

    @property
    def email(self) -> str:
        """The address to sign in with."""
        return f"{self.key}@{HOST}"


LEAD, MODERATOR, ADMIN, BRIDGE = "lead", "moderator", "admin", "bridge"
REVIEWERS: Final = ("reviewer1", "reviewer2", "reviewer3", "reviewer4")

STAFF: Final = (
    Someone("admin", "示例·管理员", CHINESE, roles=(Role.ADMIN,)),
    # The program that tells of contributions elsewhere acts by a token of this account.
    Someone("bridge", "Demo Forum Bridge", ENGLISH, "UTC", days=10, roles=(Role.ADMIN,)),
    Someone("lead", "示例·周岚", CHINESE, circles=("早读会",), roles=(Role.LEAD_REVIEWER,)),
    # Too new for a vote, so that the roll stays as long as the stories count on.
    Someone("manager", "示例·程湾", CHINESE, days=10, roles=(Role.CAMPAIGN_MANAGER,)),
    Someone("moderator", "Demo Mira Stone", ENGLISH, "Europe/London", roles=(Role.MODERATOR,)),
    Someone("reviewer1", "示例·陈默", CHINESE, circles=("早读会",), roles=(Role.REVIEWER,)),
    Someone("reviewer2", "Demo Ravi Hale", ENGLISH, "Asia/Kolkata", roles=(Role.REVIEWER,)),
    Someone("reviewer3", "示例·沈苇", CHINESE, roles=(Role.REVIEWER,)),
    # In a circle with an applicant, and the inviter of another: conflicts of interest to be seen.
    Someone(
        "reviewer4", "Demo Elin Frost", ENGLISH, "Europe/Oslo", circles=("慢跑圈",), roles=(Role.REVIEWER,)
    ),
)

APPLICANTS: Final = (
    Someone("drafting", "示例·许静", CHINESE, days=90, circles=("摄影圈",)),
    Someone("waiting", "Demo Nora Vale", ENGLISH, "America/New_York", days=120, circles=("慢跑圈",)),
    Someone("changing", "示例·林一", CHINESE, days=200, invited_by="reviewer4"),
    Someone("candidate", "示例·苏禾", CHINESE, days=300, circles=("厨房实验室",), invited_by="member03"),
    Someone("probation", "Demo Jonas Reed", ENGLISH, "Europe/Berlin", days=250, circles=("数据小组",)),
    Someone("judged", "示例·方晴", CHINESE, days=260, circles=("亲子共读",)),
    Someone("leader1", "示例·白舟", CHINESE, days=500, circles=("摄影圈",)),
    Someone("leader2", "Demo Ada Brook", ENGLISH, "Australia/Sydney", days=480, circles=("数据小组",)),
    Someone("appealing", "示例·何川", CHINESE, days=150, circles=("慢跑圈",)),
    Someone("creator", "Demo Theo Marsh", ENGLISH, "America/Sao_Paulo", days=220, circles=("厨房实验室",)),
    Someone("halfway", "示例·叶知秋", CHINESE, days=170, circles=("亲子共读",)),
    Someone("disputed", "Demo Silas Crane", ENGLISH, "Europe/Dublin", days=190, circles=("数据小组",)),
    Someone("withdrawn", "示例·宋晓", CHINESE, days=140),
    Someone("expired", "Demo Wren Abbey", ENGLISH, "Pacific/Auckland", days=160),
    Someone("upheld", "示例·高远", CHINESE, days=210, circles=("摄影圈",)),
    Someone("extended", "Demo Iris Quill", ENGLISH, "Asia/Tokyo", days=230, circles=("亲子共读",)),
    Someone("unheard", "示例·温言", CHINESE, days=240),
    Someone("reported", "Demo Hugo Penn", ENGLISH, "America/Denver", days=270, circles=("厨房实验室",)),
    Someone("prolonged", "示例·江汀", CHINESE, days=25, circles=("慢跑圈",)),
    Someone("overturned", "Demo Lena Marsh", ENGLISH, "Europe/Lisbon", days=25, circles=("数据小组",)),
)

_CHINESE_NAMES: Final = (
    "安然,柏青,长宁,丹枫,恩雅,飞鸿,观澜,海若,嘉木,景行,乐之,明溪,南星,平川,秋水,若谷,思齐,天一"
)
_ENGLISH_NAMES: Final = (
    "Avery Lane,Blake Dune,Casey Ford,Drew Moss,Emery Park,Finley Gray,Harper Rowe,Indra Wells,"
    "Jules Thorn,Kai Winter,Logan Ash,Morgan Reef"
)
_CIRCLES: Final = ("早读会", "慢跑圈", "厨房实验室", "数据小组", "摄影圈", "亲子共读", "")
_ZONES: Final = ("Asia/Singapore", "Europe/Paris", "America/Los_Angeles", "Asia/Tokyo", "Africa/Nairobi")
_NEW: Final = 6


def _members() -> tuple[Someone, ...]:
    """Return members who joined long ago and, the last few, members too new to vote."""
    named = [(f"示例·{name}", CHINESE, "Asia/Shanghai") for name in _CHINESE_NAMES.split(",")]
    english = enumerate(_ENGLISH_NAMES.split(","))
    named += [(f"Demo {name}", ENGLISH, _ZONES[place % len(_ZONES)]) for place, name in english]
    old = len(named) - _NEW
    found = []
    for number, (name, locale, zone) in enumerate(named, start=1):
        circle = _CIRCLES[number % len(_CIRCLES)]
        days = 40 + 11 * number if number <= old else 29 - 4 * (number - old)
        inviter = f"member{number - 9:02}" if number > 12 else None
        found.append(
            Someone(f"member{number:02}", name, locale, zone, days, (circle,) if circle else (), inviter)
        )
    return tuple(found)


MEMBERS: Final = _members()
VOTERS: Final = tuple(member.key for member in MEMBERS if member.days > 35)
EVERYBODY: Final = (*STAFF, *MEMBERS, *APPLICANTS)


class Profile(NamedTuple):
    """What an applicant hands in: texts, topics, and one claim (what, who says so)."""

    headline: str
    bio: str
    statement: str
    tags: tuple[str, ...]
    scope: str
    issuer: str


PROFILES: Final = {
    "drafting": Profile("街头摄影入门", "", "", ("摄影",), "", ""),
    "waiting": Profile(
        "Running slowly, and enjoying it",
        "Coached beginners at a small riverside club for eight years; twice finished last with pride.",
        "I want to lead a gentle eight-week plan for people who think that they cannot run, "
        "with a short note every day and an answer to every question.",
        ("running", "habits"),
        "running",
        "Riverside Club of Nowhere",
    ),
    "changing": Profile(
        "一年读五十二本书",
        "在一家虚构的书店工作十年，每周写一篇书评，带过三届线下读书会。",
        "我想带大家用三十天养成每天读二十页的习惯，每天一篇短笔记，每周一次共读讨论，有问必答。"
        "读什么由大家一起选，读完的人自己写一段推荐，留给后来的人。",
        ("阅读", "习惯"),
        "阅读",
        "示例书店联合会",
    ),
    "candidate": Profile(
        "三十道家常菜",
        "做了十二年食堂主厨，相信会做饭的人更会照顾自己。菜谱都写成一页纸，照着做就行。",
        "我想带大家从一碗面开始，三十天做出一桌年夜饭。每天一道菜，一张照片，一句心得；"
        "做坏了也发出来，大家一起找原因，我会在当天回答每一个问题。",
        ("烹饪", "生活"),
        "烹饪",
        "示例厨师协会",
    ),
    "probation": Profile(
        "Data you can read at breakfast",
        "Drew charts for a made-up city newspaper for nine years and still counts everything twice.",
        "I want to lead a monthly challenge: one honest chart a week from public numbers, "
        "with a review for everyone who posts one.",
        ("data", "writing"),
        "data",
        "Imaginary Institute of Statistics",
    ),
    "prolonged": Profile(
        "雨天也出门散步",
        "在虚构的河边小城做了十五年向导，走过每一条巷子，把路线画成手绘地图送给散步的人。",
        "我想带大家三十天里每天走半小时，拍一样以前没有注意到的东西，写两句话。"
        "不比步数，只比发现；走不动的日子，可以坐在窗边看。",
        ("散步", "观察"),
        "散步",
        "示例向导协会",
    ),
    "overturned": Profile(
        "Letters by hand",
        "Sorted the post of an island that is on no map, and answered the letters without a sender.",
        "I want to lead thirty days of short letters: one a day to somebody who did not expect it, a shelf "
        "for the answers that come, and a reply from me to everybody who has nobody to write to.",
        ("writing", "kindness"),
        "letter writing",
        "Post Office of Nowhere",
    ),
    "judged": Profile(
        "和孩子一起读诗",
        "两个孩子的母亲，在一所虚构的小学带了六年诗社，收集了八百首适合朗读的短诗。",
        "我想带二十个家庭，每天睡前读一首诗，录一段声音。三十天以后，每个家庭都会有一本自己的诗集。"
        "每周一次线上分享，谁都可以提问。",
        ("亲子", "诗歌"),
        "诗歌",
        "示例小学诗社",
    ),
    "leader1": Profile(
        "用一支镜头拍四季",
        "自由摄影师，十五年只用一支定焦镜头，在社区里答过的问题比拍过的照片还多。",
        "我想带大家用手机也好、相机也好，每天拍一张，每周交一组，每月办一次线上小展览，"
        "由参加的人互相写评语。",
        ("摄影",),
        "摄影",
        "示例摄影学会",
    ),
    "leader2": Profile(
        "Household money without fear",
        "Kept the books of a fictional co-operative for twenty years; explains interest with apples.",
        "I want to lead a calm six-week course on budgets and debt, without selling anything, "
        "and to answer each question within a day.",
        ("money", "planning"),
        "finance",
        "Fictional Chamber of Accountants",
    ),
    "appealing": Profile(
        "山野跑步三十天",
        "跑过很多没有名字的山路，写过一本没有出版的跑步手记，热爱清晨和热豆浆。",
        "我想带大家周末去山里慢跑，平日做一点力量练习，每天写三行跑步日记，慢慢把路跑长。受伤的人先休息，我会教大家怎么听身体的话。",
        ("跑步",),
        "跑步",
        "示例越野协会",
    ),
    "creator": Profile(
        "Fermenting everything",
        "Has a cellar full of jars, a day job elsewhere, and more ideas than evenings.",
        "I want to lead a month of small ferments, from pickles to bread, with a tasting at the end.",
        ("cooking", "fermentation"),
        "fermentation",
        "Guild of Imaginary Picklers",
    ),
    "halfway": Profile(
        "阳台上的小菜园",
        "在六楼的阳台种了七年菜，养活过番茄、辣椒和一窝不请自来的鸽子。",
        "我想带大家用三个花盆种出一盘沙拉：每周一次线上答疑，每三天一张照片，"
        "种死了也写下来，大家一起找原因，下一季再来。",
        ("园艺", "生活"),
        "园艺",
        "示例阳台种植协会",
    ),
    "disputed": Profile(
        "Chess for people who lose",
        "Lost to everyone in an invented village for a decade and wrote down why each time.",
        "I want to lead four weeks of short puzzles for beginners, one a day, with an honest look "
        "at one lost game each week and an answer to every question.",
        ("chess", "learning"),
        "chess",
        "Village Chess Club of Nowhere",
    ),
    "withdrawn": Profile(
        "每天十分钟速写",
        "虚构的美术社团成员，口袋里永远有一支短铅笔，画过三百多个候车的人。",
        "我想带大家每天画十分钟，不求像，只求每天都画。三十天以后，把第一张和最后一张放在一起看，"
        "每周挑一个主题互相点评。",
        ("绘画",),
        "绘画",
        "示例速写社",
    ),
    "expired": Profile(
        "Birds from the kitchen window",
        "Keeps a list of every bird that came to a fictional bird table since it was built.",
        "I want to lead a month of watching together: one bird a day, one sentence about it, and a "
        "shared list at the end, with help for everyone who cannot tell a finch from a sparrow.",
        ("birds", "nature"),
        "birds",
        "Society of Imaginary Ornithologists",
    ),
    "upheld": Profile(
        "城市夜景一百夜",
        "下班以后在一座虚构的城市里拍夜景，攒了一百个夜晚和两双走坏的鞋。",
        "我想带大家拍三十个夜晚：每晚一张照片，写下几点、在哪里、为什么停下来。每周一次选片，"
        "由参加的人互相写评语。",
        ("摄影", "城市"),
        "摄影",
        "示例夜拍小组",
    ),
    "extended": Profile(
        "Bedtime stories of your own",
        "Told four hundred made-up stories to two patient children, and remembers about thirty.",
        "I want to lead thirty evenings of inventing short stories together: one picture to start from, "
        "ten minutes to tell, and a kind word for everybody who dares to record one.",
        ("stories", "family"),
        "storytelling",
        "Guild of Fictional Storytellers",
    ),
    "unheard": Profile(
        "把方言录下来",
        "跟着外婆学了一口没有几个人会说的方言，用旧手机录了两年童谣和骂人的话。",
        "我想带大家每天录一句家乡话，写下它是谁说的、什么时候说。三十天以后，我们会有一本会说话的小词典，"
        "谁都可以往里面加。",
        ("方言", "记录"),
        "方言",
        "示例方言学会",
    ),
    "reported": Profile(
        "Bread without hurry",
        "Baked for a pretend village bakery and still gets up at four without an alarm.",
        "I want to lead five weeks of slow bread: one loaf a week, a photo of the crumb, and an answer to "
        "everybody whose dough did not rise.",
        ("baking",),
        "baking",
        "Bakers of Nowhere",
    ),
}
