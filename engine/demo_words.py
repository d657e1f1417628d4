"""What the demo says, in both languages."""

from typing import Final

WORDS: Final[dict[str, tuple[str, str]]] = {
    "title": ("卡盟：一次带头人申请的故事", "Kameng: the story of one application"),
    "starting": (
        "正在临时目录里启动整个卡盟（Temporal、worker、API）……",
        "starting the whole of Kameng in a directory of its own (Temporal, worker, API) …",
    ),
    "started": (
        "{seconds:.1f} 秒后就绪：{people} 位虚构的成员",
        "ready after {seconds:.1f} s, with {people} fictional people",
    ),
    "leader": ("带头人 林一", "Lin Yi, leader"),
    "manager": ("工作人员", "staff"),
    "campaign_title": ("第二个故事：一次 {days} 天的活动", "The second story: a campaign of {days} days"),
    "campaign_planned": (
        "从模板发起《{title}》，{days} 天，最高奖励 {liability} 积分，提交审批",
        "plans “{title}” from a template: {days} days, {liability} points at most; hands it in",
    ),
    "pool_was_empty": (
        "资源池是空的：付不起的奖励不能承诺，审批被拒绝",
        "finds the pool empty: what cannot be paid cannot be promised, the approval is refused",
    ),
    "campaign_approved": (
        "记入赞助后批准，从资源池预留 {reserved} 积分",
        "books a sponsorship and approves; {reserved} points are reserved from the pool",
    ),
    "campaign_enrolled": (
        "{count} 人自己报名，{invited} 人凭朋友的邀请码加入",
        "enrol: {count} by themselves, {invited} by the code of a friend",
    ),
    "invitations_doubtful": (
        "查看可疑邀请：同一地址来了 {count} 位“朋友”，都不算数",
        "looks at doubtful invitations: {count} “friends” from one address; none of them counts",
    ),
    "invitation_rejected": (
        "来自同一地址，人数超过一家人。",
        "All from one address, and more than a household.",
    ),
    "campaign_newcomers": (
        "{count} 位新成员凭邀请码注册并加入",
        "{count} newcomers make an account by the code of a friend, and enrol",
    ),
    "campaign_day": ("第 {day} 天：{active} 人中 {done} 人打卡", "day {day}: {done} of {active} check in"),
    "campaign_note": (
        "第 {day} 天的学习笔记，编号 {number}：今天读完一章，记下三个要点和一个问题。",
        "Notes of day {day}, number {number}: one chapter read, three points kept and one question.",
    ),
    "campaign_settled": (
        "自动结算：发放 {paid} 积分，每人一次；{left} 积分退回资源池",
        "settles by itself: {paid} points paid, once each; {left} go back to the pool",
    ),
    "campaign_cheats": (
        "拒绝了 {count} 次作弊：空洞的笔记、未到的日子、重复打卡",
        "refused {count} tries to cheat: empty notes, days to come, a second check-in",
    ),
    "report": ("活动报告", "The report"),
    "report_members": ("参与人数（中途退出）", "members (left on the way)"),
    "report_completed": ("完成", "completed"),
    "report_retention": ("留存（最后七天仍在打卡）", "retention (checked in within the last seven days)"),
    "report_check_ins": ("打卡次数", "check-ins"),
    "report_paid": (
        "发放积分（打卡、连续、完成、排名、邀请）",
        "points paid (check-ins, streaks, completion, ranks, invitations)",
    ),
    "report_friends": (
        "受邀加入（其中活跃、可疑未计）",
        "joined by invitation (became active; rejected as doubtful)",
    ),
    "report_k": ("K 因子：每位成员带来的活跃朋友", "K-factor: active friends for each member"),
    "report_new_members": ("社区新成员（之前同样天数）", "new members (in as many days before)"),
    "report_shares": ("内容分享（之前同样天数）", "shares (in as many days before)"),
    "applicant": ("申请人 林一", "Lin Yi, applicant"),
    "reviewer": ("审核员 {name}", "{name}, reviewer"),
    "members": ("成员", "members"),
    "time": ("时间", "time"),
    "forum": ("社区论坛", "the forum"),
    "process": ("流程", "the process"),
    "signed_in": ("用邮件里的一次性链接登录", "signs in by the single-use link in a mail"),
    "drafted": ("写下草稿，上传 {count} 份材料", "writes a draft and uploads {count} documents"),
    "submitted": ("提交申请；若无人处理：{next}", "hands it in; if nothing happens: {next}"),
    "changes": ("领取申请，请求补充：“{note}”", "claims it and asks for changes: “{note}”"),
    "letter": ("收到邮件《{subject}》", "gets the mail “{subject}”"),
    "resubmitted": ("改好了，重新提交（第 {round} 轮评审）", "answers and hands it in again (round {round})"),
    "approved": (
        "四项核对完毕，资质属实，同意",
        "goes through the checklist, finds the claim verified, approves",
    ),
    "opened": (
        "投票开放，名册冻结为 {roll} 人，法定人数 {quorum}",
        "opens the vote; the roll is frozen at {roll} people, the quorum is {quorum}",
    ),
    "voted": (
        "{count} 人秘密投票，每人留下一张回执；计票前看不到任何数字",
        "vote in secret ({count}); each keeps a receipt, no totals before the close",
    ),
    "skipped": ("跳过 {days} 天", "skips {days} days"),
    "counted": (
        "计票：赞成 {yes}，反对 {no}，弃权 {abstain}，支持率 {share:.0%}，通过",
        "counts: {yes} yes, {no} no, {abstain} abstain, {share:.0%} approval: passed",
    ),
    "receipts": ("{count} 张回执全部在公布的名单里", "find all {count} receipts in the published list"),
    "probation": ("成为见习带头人，见习到 {until}", "is a provisional leader until {until}"),
    "week": (
        "第 {week} 周：{posts} 篇帖子，{answered}/{questions} 个问题按时回答，{ratings} 个评分",
        "week {week}: {posts} posts, {answered} of {questions} questions answered in time, {ratings} ratings",
    ),
    "judged": ("见习期满，按四项目标算出建议：通过", "ends the probation; the four targets recommend: pass"),
    "passed": ("看过数据，确认通过", "looks at the figures and confirms"),
    "certified": ("认证完成，主题：{topics}", "is certified for: {topics}"),
    "timeline": ("这次申请的整条时间线", "The whole timeline of the application"),
    "when": ("流程日期", "process date"),
    "what": ("发生了什么", "what happened"),
    "who": ("谁", "who"),
    "summary": (
        "申请：{days} 天用了 {seconds:.0f} 秒；申请人收到 {mails} 封邮件，时间线 {events} 条，步步核对。",
        "Application: {days} days took {seconds:.0f} seconds; {mails} mails, {events} entries, all checked.",
    ),
    "campaign_summary": (
        "活动：{days} 天用了 {seconds:.0f} 秒；发放的积分与报告一致。",
        "Campaign: {days} days took {seconds:.0f} seconds; points paid as its report says.",
    ),
    "further": (
        "接着看：make run 启动整个卡盟（API 文档在 /docs，邮件在 /outbox）；ARCHITECTURE.md 讲整座房子。",
        "Look further: make run starts it all (API at /docs, mails at /outbox); read ARCHITECTURE.md.",
    ),
}

NOTE: Final = (
    "请在陈述里写清楚：每周哪一天带读，人多了怎么办？",
    "Please say in your statement on which day you read together, and what you do if many come.",
)
ANSWER: Final = (
    "每周三晚上八点共读，四十分钟；超过三十人就分两组，由上一期读完的人带第二组。",
    "We read together on Wednesdays at eight, for forty minutes; beyond thirty people there are two groups.",
)
PROFILE: Final = (
    {
        "headline": "三十天读完一本难书",
        "bio": "在一家虚构的图书馆工作九年，专门陪人读那些买了却没翻开的书。",
        "statement": "我想带大家用三十天读完一本一直想读的难书：每天十页，一条笔记，有问必答；"
        "读不下去的时候，我们一起退回上一章，再慢慢走一遍。",
        "tags": ["阅读", "习惯"],
    },
    {
        "headline": "One hard book in thirty days",
        "bio": "Nine years in an imaginary library, keeping people company with books they never opened.",
        "statement": "I want to take people through one hard book in thirty days: ten pages, one note a day, "
        "every question answered, and a step back together whenever it gets too steep.",
        "tags": ["reading", "habits"],
    },
)
CLAIM: Final = (("阅读", "示例图书馆学会"), ("reading", "Imaginary Library Association"))
NAME: Final = ("示例·林一", "Demo Lin Yi")
