"""Golden cases: ¦ marks where a sentence ends; everything else is the text as it stands."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexes.errors import SettingsError
from indexes.text.sentences import Span, iter_spans, join, split_sentences, walk_cuts

CHINESE = [
    "今天下雨。¦我们不去公园了。",
    "你来吗？¦我等你！¦快一点。",
    "春天来了；¦花开了。",
    "苹果、梨和桃子都很甜，价格也不贵。",
    "他走了……¦",
    "天色慢慢暗了下来……¦她还坐在窗前等。",
    "我……我不知道。",
    "买了苹果、香蕉、西瓜……等水果。",
    "真的吗？！¦太好了！！！¦",
    "怎么会这样？？¦谁干的？",
    "「你好。」他说。",
    "“我们走吧。”她说，然后关上了门。",
    "“下雨了！”小明喊道。¦大家都往屋里跑。",
    "老师说：“请坐。”¦大家坐下了。",
    "“快来！¦这里有一只猫。”¦小红跑了过去。",
    "『别动！』¦他愣住了。",
    "她问：“几点了？”¦没有人回答。",
    "所谓“为什么？”的问题并不简单。",
    "他问“你是谁？”时，灯灭了。",
    "他写下“为什么？”三个字。¦然后走了。",
    "她看见“小心！”的牌子，停下了。",
    "他说“走吧。”¦大家都走了。",
    "我最喜欢《怎么办？》这本书。",
    "《你好，世界！》上映了。¦票房很高。",
    "他（真的吗？）也来了。",
    "（本章完。）¦下一章明天更新。",
    "会议推迟了（原因见附件。）。¦请通知各组。",
    "价格是3.14元。¦不贵。",
    "圆周率约为３．１４。",
    "此书甚好．¦值得一读．",
    "1．首先打开电源。¦然后等待。",
    "他说得对.¦我同意.",
    "现在是北京时间8:30。¦会议开始。",
    "第一章 开端\n¦故事从一个村庄讲起。",
    "目录\n¦第一节 安装\n¦第二节 配置",
    "一、准备材料\n¦二、动手制作\n¦三、检查结果",
    "（一）总则\n¦（二）细则",
    "1、打开软件\n¦2、点击设置",
    "1）打开软件\n¦2）点击设置",
    "① 洗菜\n¦② 切菜",
    "床前明月光，\n疑是地上霜。¦",
    "标题在这里\n¦正文从这里开始。",
    "第一段没有句号\n\n¦第二段也没有",
    "　　段首缩进两格。¦第二句。\n¦　　又一段。",
    "他说：\n¦“走吧。”",
    "注意：请勿触摸。",
    "谢谢。 ¦再见。",
    "甲说好！¦乙说不好？¦丙没说话。",
    "他来了。¦（昨天到的。）¦大家很高兴。",
    "【通知】明天放假。¦请互相转告。",
    "她笑道：“不必了。”¦转身就走。",
    "好！",
    "没有标点的一句话",
    '他说："好。"¦然后走了。¦"不。"',
    "‘行。’¦他点点头。",
    "这是真的吗？，我不信。",
    "成绩：语文90；¦数学85；¦英语88。",
    "你好！！¦你好。。。¦",
    "结束了。[3]¦下一节继续。",
    "先安装软件⋯然后重启。",
    "他高声道：“来者何人？”¦无人应答。",
    "喂！¦你！¦站住！",
    "甲组负责设计；¦乙组负责测试。",
]

ENGLISH = [
    "It rained. ¦We stayed home.",
    "Is it true? ¦Yes! ¦Good.",
    "Dr. Smith arrived at noon.",
    "Mr. and Mrs. Brown left. ¦Prof. Lee stayed.",
    "We met J. K. Rowling and J.R.R. Tolkien.",
    "Use a tool, e.g. a hammer. ¦Be careful.",
    "The last step, i.e. testing, took long.",
    "See Fig. 3 and Sec. 2.1 for details. ¦Then go on.",
    "It is No. 5 on the list. ¦No. ¦It is not.",
    "Apples vs. oranges is an old debate.",
    "We sell pens, paper, etc. and more.",
    "We sell pens, paper, etc. ¦The shop opens at nine.",
    "He lives in the U.S. and works there.",
    "He lives in the U.S. ¦He likes it.",
    "The U.S. Army was there.",
    "She works at Acme Inc. in Boston.",
    "She works at Acme Inc. ¦They make tools.",
    "Meet me at 5 p.m. tomorrow.",
    "Meet me at 5 p.m. ¦We will eat.",
    "She got her Ph.D. in 2010. ¦Then she taught.",
    "Pi is 3.14159. ¦It is irrational.",
    "Version 1.2.3 is out. ¦Upgrade now.",
    "It costs $4.50. ¦That is cheap.",
    "Born in 1998. ¦Died in 2020.",
    "Open www.example.com/a.b?c=d.e and read.",
    "Go to https://example.org/a.html. ¦Then sign in.",
    "Write to jane.doe@example.com. ¦She answers.",
    "Edit config.yaml. ¦Run main.py again.",
    "Call `a.b()` first. ¦Then `c.d()`.",
    "The text `Stop. Go.` is a string.",
    "The .NET runtime and Node.js are installed.",
    "1. First item. ¦It is short.\n¦2. Second item.",
    "1. Wash the rice\n¦2. Boil it",
    "- one thing\n¦- another thing",
    "* alpha\n¦* beta\n¦* gamma",
    "a) yes\n¦b) no",
    "Steps:\n¦1) open\n¦2) close",
    "2.1. Scope of the rules. ¦They apply to all.",
    "Step 1. Open the lid. ¦Step 2. Pour.",
    "Chapter 4. The Return",
    "Well... maybe not.",
    "He paused... ¦Then he spoke.",
    "I thought… ¦No, never mind.",
    "and so on. . . and on",
    "What?! ¦You did what?",
    "Stop!!! ¦Now!",
    '"Hello." ¦She waved.',
    '"Are you sure?" he asked. ¦"Yes."',
    "“I am.” ¦“So am I.”",
    "“Run!” she cried. ¦They ran.",
    "He said 'no.' ¦Then he left.",
    "(This is an aside.) ¦This is not.",
    "It works (see above). ¦Try it.",
    "It works (really!) every time.",
    "They agreed (see Doe et al. (2003)). ¦We do too.",
    "Doe et al. found the same. ¦Roe et al. (2001) did not.",
    "This was shown before.[12] ¦It holds.",
    "This was shown in 1957.¹² ¦It holds.【3】 ¦It does.",
    "Nach § 4 Abs. 3 gilt das. ¦Der Preis ist inkl. Frühstück.",
    "It was shown by Doe [12]. ¦It holds.",
    "The first line goes on\nand the second ends here. ¦A third.",
    "This paragraph was wrapped by hand at about sixty columns so\nthat it is easy to read in a mail, and London\n"
    "is only a name that begins no sentence here.",
    "First paragraph without end\n\n¦Second paragraph",
    "Introduction\n¦This text begins after its title.",
    "# Title\n¦Body text.",
    "Name: Ann\n¦Age: 30",
    "| a | b |\n¦| 1 | 2 |",
    "2026-01-01 10:00 started the server\n¦2026-01-01 10:01 stopped the server",
    "Type cd .. and press return. ¦Then ls.",
    "Take vitamin C. ¦It helps.",
    "Er hat Blutgruppe A. ¦Sie ist selten.",
    "Plan B was a failure. ¦Plan C worked.",
    "we installed the package. ¦npm then failed.",
    "is it on? ¦yes, it is.",
    "Yahoo! is a company. ¦It is old.",
    "He came on Jan. 5 and left on Feb. 7. ¦It was cold.",
    "St. Petersburg is in Russia. ¦Mt. Fuji is not.",
    "Approx. ten people came. ¦Few stayed.",
    "Is x > 0? ¦Then y != 0.",
    "5 + 5 = 10. ¦10 - 5 = 5.",
    "One. ¦Two. ¦Three.",
    "**Note.** ¦This is bold.",
    "No end",
    "The end.",
    "She scored 9.5/10. ¦Wow.",
    "It runs at 2.4 GHz, i.e. fast.",
    "Read pp. 3-9 and ch. 4. ¦Then rest.",
    "Ask Gen. Lee or Sen. Ray. ¦They know.",
    "He is a Jr. partner. ¦She is not.",
    "Is it Smith, Jr.? ¦It is.",
    "Costs rose by 3.5 %. ¦Sales fell.",
    "A. Einstein wrote it. ¦It is short.",
]

MIXED = [
    "他用 Python 3.11。¦然后 pip install x.y。",
    "请访问 https://example.com/a.html。¦谢谢。",
    "文件名是 main.py。¦不要改名。",
    "联系 a.b@example.com。¦我们会回复。",
    "我用的是 Node.js 和 Vue.js，很好用。",
    "版本 v1.2.3 已发布。¦Please upgrade.",
    "他说 OK. ¦然后走了。",
    "Hello 世界！¦How are you?",
    "这是 Dr. Wang 的书。¦It is good.",
    "调用 `a.b()` 函数。¦返回值是 `None`。",
    "什么是RAG?¦它是检索增强生成。",
    "太好了!¦我们走吧!",
    "Go!¦出发吧。",
    "I asked 老王. ¦He said 好。",
    "GPU 的价格是 $1.5k。¦太贵了！",
    "按 Ctrl+C 退出。¦Then reboot.",
    "参见图1.2和表3.4。¦其余略。",
    "他住在U.S.的东部。",
    "A公司(Acme Inc.)成立于1990年。¦它很大。",
    "1. 打开终端\n¦2. Run the script\n¦3. 等待结束",
    "## 安装\n¦Run pip install. ¦完成。",
    "运行 `make test`。¦Wait... ¦Done.",
    "先编译;¦再运行",
    "int a = 1; int b = 2;",
    "他读了 The Hobbit。¦她没读。",
    "BGE-M3 支持 100+ 种语言。¦It is multilingual.",
    "“Yes.” he said。¦他笑了。",
    "温度为 36.5℃。¦正常。",
    "我们见了 J. K. 罗琳。",
    "见第 3.2 节。¦See Sec. 3.2.",
]

RECORDS = [
    "- 品名：冷却液；数量：8 桶；入库：2023-11-02\n¦- 品名：火花塞；数量：40 只；入库：2023-11-09",
    "- 姓名：孟晓；备注：已付款。尚未发货；日期：2024-05-06",
    "· 型号：TX-9；功率：45 W；产地：宁波。",
    "1. 房号：302；面积：88 平方米；租金：4300 元\n¦2. 房号：303；面积：91 平方米；租金：4500 元",
    "品名：砂纸；规格：400 目；单价：2.5 元\n¦品名：胶带；规格：20 米；单价：6 元",
    "航班：MU5137；起飞：8:30；到达：10:45；餐食：有",
    "- 品名：传动带；\n  数量：3 条；\n  入库：2024-02-14\n¦- 品名：皮碗；数量：60 个；入库：2024-02-15",
    "- 设备：空压机；状态：停用。待修；责任人：\n魏东\n¦正文从这里开始。",
    "仓库乙\n¦- 品名：拖把；数量：15 把；入库：2024-01-20\n¦  - 品名：拖把头；数量：30 个；入库：2024-01-21",
    "- Item: fan belt; Qty: 12; Since: 18 March. Checked twice\n¦- Item: oil filter; Qty: 7; Since: 2 May",
    "Name: Ida Roth; Phone: 555-0148; Office: 3.12\n¦Name: Bo Lindt; Phone: 555-0171; Office: 2.07",
    "- 先关总阀；再拆滤网；最后清洗。¦装回时对准卡口。",
    "- 打开电源。¦等待三秒；不要按键。\n¦- 按下开关。",
    "会议决定：甲组负责设计；¦乙组负责测试；¦丙组负责验收。",
    "他说：走吧。¦我说：好；¦她没有说话。",
    "猞猁（英文：lynx；学名：Lynx lynx）是一种猫科动物。¦它独居。¦分布：北方。",
    "注意：本机在出厂前已经过检验。¦首次使用前请阅读说明；¦保修：一年，自购买之日起计算。¦维修请联系经销商。¦请保留发票。",
]
WRAPPED = [
    "阅览室的座位可以提前三天在网上预约，每人每天最多预约四个小时，开始\n后十五分钟没有到场的，预约自动取消，当月累计三次的，停止预约一个星\n期。¦请各位读者互相转告。",
    "本站列车运行图将于下月十日零时起调整，届时部分车次的到发时刻、停靠站\n台都会变化，请以车站公告为准。",
    "报名截止以后，组委会将在七个工作日内完成材料初审，并以短信告知\n。¦未收到短信的考生请来电查询。",
    "参观者须在入口处领取导览器，归还时押金如数退还；¦导览器每台收取租金\n二十元，遗失的按原价赔偿，损坏的按维修费用赔偿，具体标准见入口处公\n告栏。",
    "他低声说：“明天不要来。\n”¦说完就走了。",
    "关于调整工作时间的通知\n¦各位同事：\n¦自下周一起，上班时间改为九点。",
    "他说「明天见。 」。¦她点点头。",
    "春江潮水连海平\n¦海上明月共潮生",
]
FOREIGN = [
    "هل وصلت الرسالة؟ ¦نعم وصلت أمس.",
    "کیا آپ تیار ہیں؟ ¦ہم کل صبح روانہ ہوں گے۔ ¦موسم اچھا ہے۔",
    "यह किताब नई है। ¦वह मेज़ पर रखी है।",
    "धर्म की रक्षा करो॥ ¦आगे बढ़ो।",
    "Πού είναι ο σταθμός; ¦Είναι δίπλα.",
    "Τι ώρα είναι\u037e ¦Είναι νωρίς.",
    "« Bonsoir ! » ¦Elle entra sans bruit.",
    "« Où vas-tu ? » demanda le gardien. ¦Personne ne répondit.",
    "« Alors… ! » ¦Il se tut.",
    "Il a crié : « Attention ! » ¦Trop tard.",
    "«Пора!» — сказал сторож. ¦Все встали.",
    "「寒くないですか？」と母が尋ねた。¦私は首を振った。",
    "「もう帰ろう。」と弟は言った。",
    "どこへ行くのか？と彼女は思った。",
    "「はい。」¦ところが誰も来なかった。",
    "Die Sitzung am 3. Mai fällt aus. ¦Die nächste ist am 12. Juni.",
    "Im 19. Jahrhundert wuchs die Stadt. ¦Danach nicht mehr.",
    "Mødet er den 4. Juni. ¦Kom til tiden.",
    "Oranges hold vitamin C. ¦Eat them fresh.",
    "We chose plan B. ¦Nobody complained.",
    "Blood of type A. ¦Store it cold.",
    "So do I. ¦Nobody asked.",
    "The letter from J. Smith came late.",
    "Ask A. Novak and B. Kral about it.",
    "橙子含有维生素C. ¦多吃有益。",
    "The match ended 2 : 1 ! ¦Great.",
]

CASES = [*CHINESE, *ENGLISH, *MIXED, *RECORDS, *WRAPPED, *FOREIGN]


@pytest.mark.parametrize("case", CASES)
def test_golden(case: str) -> None:
    text = case.replace("¦", "")
    expected = [piece.strip() for piece in case.split("¦") if piece.strip()]
    spans = split_sentences(text)
    assert [text[span.start : span.end] for span in spans] == expected
    assert join(text, spans) == text


def test_number_of_golden_cases() -> None:
    assert len(set(CASES)) >= 185


MARKS = "：；؟।。！？；…．.!?;:,，、\n\r\t 　“”\"'「」（）()《》[]`*-#|1一aA中éß\u2029\x0c"
TEXTS = st.text(st.sampled_from(MARKS) | st.characters(codec="utf-8"), max_size=300)


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(TEXTS, st.integers(1, 60))
def test_properties(text: str, max_chars: int) -> None:
    spans = split_sentences(text, max_chars=max_chars)
    assert join(text, spans) == text
    at = 0
    for span in spans:
        assert at <= span.start < span.end <= len(text)
        piece = text[span.start : span.end]
        assert piece == piece.strip()
        assert len(piece) <= max_chars
        at = span.end
    cuts = [Span(start, end) for start, end, _ in walk_cuts(text, 0, len(text), max_chars)]
    assert join(text, cuts) == text
    assert all(0 < cut.end - cut.start <= max_chars for cut in cuts)


@settings(max_examples=100, deadline=None)
@given(TEXTS, st.integers(0, 50), st.integers(0, 300))
def test_a_stretch_splits_like_its_copy(text: str, start: int, end: int) -> None:
    part = text[start:end]
    shifted = [Span(span.start + start, span.end + start) for span in split_sentences(part)]
    assert list(iter_spans(text, min(start, len(text)), max(min(end, len(text)), min(start, len(text))))) == shifted


def test_long_sentence_is_cut_at_a_comma_else_at_a_blank_else_anywhere() -> None:
    for text, first in (("山" * 40 + "，" + "水" * 40, "山" * 40 + "，"), ("a" * 40 + " " + "b" * 40, "a" * 40)):
        span = split_sentences(text, max_chars=50)[0]
        assert text[span.start : span.end] == first
    assert [span.end - span.start for span in split_sentences("x" * 120, max_chars=50)] == [50, 50, 20]


def test_straight_quotes_open_and_close_by_turns_within_a_paragraph() -> None:
    text = '甲说："好。"乙说："行。"\n\n"开头的引号。"丙说。'
    assert [text[s.start : s.end] for s in split_sentences(text)] == [
        '甲说："好。"',
        '乙说："行。"',
        '"开头的引号。"丙说。',
    ]


def test_splitting_is_lazy() -> None:
    text = "好。" * 100_000
    assert next(iter_spans(text)) == Span(0, 2)


@pytest.mark.parametrize(
    "text",
    ["!?." * 20_000 + "x", "`" * 50_000 + "`a" * 5_000, "(" * 50_000, '。"' * 20_000, "a\r" * 20_000, '. "' * 20_000],
)
def test_hostile_runs_lose_nothing(text: str) -> None:
    assert join(text, split_sentences(text)) == text


def test_join_shows_lost_characters() -> None:
    assert join("a b", [Span(0, 1)]) == "a"


def test_max_chars_below_one_is_refused() -> None:
    with pytest.raises(SettingsError, match="max_chars is 0"):
        split_sentences("text", max_chars=0)


def test_empty_and_blank_texts_have_no_sentences() -> None:
    assert split_sentences("") == [] == split_sentences(" \n\t ")


def test_a_long_record_is_one_and_time_stays_linear() -> None:
    record = "- " + "；".join(f"项目{number}：值。值" for number in range(120))
    text = f"{record}\n正文。"
    assert [text[s.start : s.end] for s in split_sentences(text)] == [record, "正文。"]
    endless = "- " + "；".join(f"项目{number}：值" for number in range(20_000))
    assert join(endless, split_sentences(endless)) == endless
