"""Guess the encoding of bytes: decode with each candidate and take the most likely text.

The likelihood is the share of non-ASCII characters that are among the most common of the encoding's language (the
thousand most common make up about 90 % of Chinese text). Wrong decodings give rare characters, so the right one stands
out after a few dozen characters; its lead decides whether the guess is certain. Text that is not East Asian is left to
charset-normalizer.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from indexes.readers.euc_tw import decode_euc_tw

_SAMPLE = 48 * 1024  # bytes examined
_COMMON_ZH = (
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所"
    "然家种事成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实日军者意无力它与"
    "长把机十民第公此已工使情明性知全三又关点正业外将两高间由问很最重并物手应战向头文体政美相见被利什二等产或新己"
    "制身果加西斯月话合回特代内信表化老给世位次度门任常先海通教儿原东声提立及比员解水名真论处走义各入几口认条平系"
    "气题活尔更别打女变四神总何电数安少报才结反受目太量再感建务做接必场件计管期市直德资命山金指克许统区保至队形社"
    "便空决治展马科司五基眼书非则听白却界达光放强即像难且权思王象完设式色路记南品住告类求据程北边死张该交规万取拉"
    "格望觉术领共确传师观清今切院让识候带导争运笔轻办服语单写准备需每用户请选择输入检索查询档页码保存库例如错误章"
    "节读汉字简繁版本安装系统网络务编号数据测试句段落标题索引向答找存转换部署"
)
_SHARED = (  # common in both scripts
    "的一是不了在人有我他中上大和地到以要就出可也你生能而子那得下自之年作用道行所然家事成方多去法如都同面起看定天"
    "分好小部其些主理心她本前但因只想日者意力它把十民第公此已工使情明性知全三又正外高由很最重物手向文政美相被利什"
    "二等或新己制身果加西斯月合回特代信表化老世位次度任常先海通教原提立及比解水名真走各入口平活更打女四神何安少才"
    "反受目太量再感建做接必件管期市直德命山金指克保至形社便空治展科司五基眼非白界光放即像且思王象完式色路南品住告"
    "求程北死交取拉格望共清今切院候服用系版本"
)
_COMMON_TW = (
    "這個們來為國說時會對過發後裡種經麼學現當沒動還進樣從實軍無與長機關點業將兩間問並應戰頭體見產話內給門東聲員論"
    "處義幾認條係氣題爾別變總電數報結務場計資許統區隊決馬書則聽卻達強難權設記類據邊張該規萬術領確傳師觀讓識帶導爭"
    "運筆輕辦語單寫準備每請選擇輸檢查詢檔頁碼庫錯誤節讀漢簡繁裝網絡編號測試標題引轉換署開於著歲嗎吧您臺灣灣雖雙親"
    "願樂歡買賣車飛風魚鳥龍隻顆農縣鄉歷廣專級約紅綠藍線"
)
_COMMON_JA = (
    "日本人年大国会中出時行見月分後前生間上東四今金五入円高手最全目事業所場者社同対戦部自方的民発議力新用本合地内"
    "市取立問学定第法気法化実通言意物不"
)
_COMMON_KO = (
    "이다는에을의가고하지를은기로한사리어도해서나자시대인있그정부수일제주와과들것보아전스여라성상으요습니까합며거"
    "게안만장구관세국년개조원공동면선무유계연용"
)
_COMMON_RU = "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфёОЕАИНТСРВЛКМДПУЯЗБЧХЖШЮЦЩЭФ"
_MARKS = "，。、；：？！“”‘’（）《》「」『』【】…—·～　０１２３４５６７８９％"
_KANA = "".join(map(chr, [*range(0x3041, 0x3094), *range(0x30A1, 0x30F7), 0x30FC]))
_ZH = frozenset(_COMMON_ZH + _MARKS)
_TW = frozenset(_SHARED + _COMMON_TW + _MARKS)
_JA = frozenset(_KANA + _COMMON_JA + _MARKS)
_KO = frozenset(_COMMON_KO + _MARKS)
_FAMILIAR = _ZH | _TW | _JA | frozenset("\r\n\t")
_FOREIGN = re.compile(rb"[\x80-\xff]")
_ODD = re.compile("[\ue000-\uf8ff\ufffd\u0080-\u009f\uff61-\uff9f\u3400-\u4dbf\U00020000-\U000fffff]")


class Guess(NamedTuple):
    """A guessed encoding; ``certain`` is False if another is nearly as likely, or there is too little text.

    >>> guess_legacy("今天下雨，我们不出门。".encode("gb18030"))
    Guess(encoding='gb18030', certain=True)
    """

    encoding: str
    certain: bool


def decode_as(data: bytes, encoding: str, errors: str = "strict") -> str:
    """Decode bytes like ``bytes.decode``, with EUC-TW as a further encoding.

    >>> decode_as("今天".encode("gb18030"), "gb18030")
    '今天'

    Raises:
        UnicodeDecodeError, LookupError: as ``bytes.decode``.
    """
    if encoding.lower().replace("_", "-") not in ("euc-tw", "euctw", "x-euc-tw"):
        return data.decode(encoding, errors)
    text = decode_euc_tw(data)
    if errors == "strict" and "\ufffd" in text:
        raise UnicodeDecodeError("euc-tw", data, 0, 1, "no character of planes 1 and 2")
    return text


_EAST_ASIAN: tuple[tuple[str, frozenset[str]], ...] = (
    ("gb18030", _ZH),
    ("big5", _TW),
    ("euc-tw", _TW),
    ("shift_jis", _JA),
    ("euc_jp", _JA),
    ("euc_kr", _KO),
)
_CODECS = {"big5": "cp950", "shift_jis": "cp932", "euc_kr": "cp949"}  # supersets found in real files
_WIDE = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")


def codec_of(encoding: str) -> str:
    """Return the codec for a declared or guessed encoding: the superset that files really use.

    >>> codec_of("GB2312"), codec_of("latin-1")
    ('gb18030', 'cp1252')
    """
    name = encoding.strip().lower()
    if name in ("gb2312", "gbk", "gb_2312-80", "x-gbk", "cp936", "hz-gb", "euc-cn"):
        return "gb18030"
    if name in ("big5", "big5-hkscs", "big5hkscs"):
        return "big5hkscs" if "hk" in name else "cp950"
    if name in ("shift_jis", "shift-jis", "sjis", "x-sjis", "windows-31j", "ms932"):
        return "cp932"
    if name in ("iso-8859-1", "latin1", "latin-1", "ascii", "us-ascii"):
        return "cp1252"
    return _CODECS.get(name, name)


def guess_wide(data: bytes) -> Guess | None:
    """Return UTF-16 or UTF-32 for bytes without a byte order mark; None if they are neither.

    >>> guess_wide("It rains.".encode("utf-16-le")).encoding
    'utf-16-le'
    """
    sample = data[: _SAMPLE - _SAMPLE % 4]
    scored: list[tuple[float, str]] = []
    for encoding in _WIDE:
        width = 4 if "32" in encoding else 2
        if len(data) % width:
            continue
        text = _tolerant(sample, encoding)
        if text:
            good = sum(char in _FAMILIAR or " " <= char < "\x7f" for char in text)
            scored.append((good / len(text), encoding))
    best = max(scored, default=(0.0, ""))
    others = [score for score, name in scored if name != best[1]]
    if best[0] < 0.5 or best[0] < 1.5 * max(others, default=0.0):
        return None
    return Guess(best[1], best[0] > 0.75 or len(data) > 200)


def guess_legacy(data: bytes) -> Guess:
    """Return the most likely East Asian or other legacy encoding of bytes that are not UTF-8.

    >>> guess_legacy("今天下雨，我们不出门。明天也许放晴。".encode("gb18030")).encoding
    'gb18030'
    """
    foreign_at = _FOREIGN.search(data)  # a log may be ASCII for long before its first Chinese line
    start = data.rfind(b"\n", 0, foreign_at.start()) + 1 if foreign_at and foreign_at.start() > _SAMPLE // 2 else 0
    sample = data[start : start + _SAMPLE]
    if b"\x1b$" in sample or b"\x1b(" in sample:
        text = _tolerant(sample, "iso2022_jp_2")
        if text is not None and any(char in _JA for char in text):
            return Guess("iso2022_jp_2", True)
    scored: list[tuple[float, int, str]] = []
    for rank, (encoding, common) in enumerate(_EAST_ASIAN):
        text = _tolerant(sample, _CODECS.get(encoding, encoding))
        if text is not None:
            scored.append((_likeness(text, common), -rank, encoding))
    scored.sort(reverse=True)
    if scored and scored[0][0] >= 0.2:
        score, _, encoding = scored[0]
        second = scored[1][0] if len(scored) > 1 else 0.0
        foreign = sum(byte > 0x7F for byte in sample)
        return Guess(encoding, foreign >= 12 and score >= 0.35 and score > 1.6 * second)
    return _guess_narrow(sample)


def _guess_narrow(sample: bytes) -> Guess:
    """Guess a single-byte encoding: Cyrillic by its letters, other scripts by charset-normalizer, else Latin."""
    foreign = [byte for byte in sample if byte > 0x7F]
    letters = sum(65 <= byte <= 90 or 97 <= byte <= 122 for byte in sample)
    if len(foreign) > letters:
        scored = []
        for encoding in ("cp1251", "koi8_r", "cp866", "iso8859_5"):
            text = sample.decode(encoding, "replace")
            scored.append((sum(char in _COMMON_RU[:33] for char in text), encoding))
        best = max(scored)
        if best[0] > 0.6 * len(foreign):
            return Guess(best[1], best[0] > 100)
        from charset_normalizer import from_bytes

        match = from_bytes(sample, cp_isolation=["cp1253", "cp1255", "cp1256", "cp874", "cp1252"]).best()
        if match is not None:
            return Guess(match.encoding, False)
    try:
        sample.decode("cp1252")  # Latin scripts: statistics hardly tell their encodings apart; this is the usual one
    except UnicodeDecodeError:
        return Guess("iso8859_15", False)
    return Guess("cp1252", False)


def _tolerant(sample: bytes, codec: str) -> str | None:
    """Decode the sample, without up to 4 bytes at its end that may be half a character.

    A few broken characters, at most one in fifty, become U+FFFD; with more it is another encoding: None.
    """
    for cut in range(min(4, len(sample)) if len(sample) >= _SAMPLE - 4 else 1):
        try:
            return decode_as(sample[: len(sample) - cut], codec)
        except UnicodeDecodeError:
            continue
    text = decode_as(sample, codec, "replace")
    return text if text.count("\ufffd") * 50 <= sum(char > "\x7f" for char in text) else None


def _likeness(text: str, common: frozenset[str]) -> float:
    """Return the share of non-ASCII characters that are common; characters that no text contains count against it."""
    foreign = [char for char in text if char > "\x7f"]
    if not foreign:
        return 0.0
    odd = len(_ODD.findall(text))
    return (sum(char in common for char in foreign) - 2 * odd) / len(foreign)
