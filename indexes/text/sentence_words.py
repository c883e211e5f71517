"""Word lists of the sentence splitter: abbreviations, and words that begin English sentences.

All entries are in lower case, without the last full stop.
"""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# A name or number follows these: a full stop after one never ends a sentence.
TITLES = _words(
    "mr mrs ms mx dr drs prof rev hon gov gen col maj capt cpt lt cmdr adm sgt cpl pvt pres sen rep amb supt "
    "messrs mmes mlle mme msgr st mt ft ste vs v cf viz e.g eg i.e ie resp approx ca esp incl excl attn ed eds trans "
    "op loc a.k.a aka z.b d.h bzw inkl exkl zzgl abzgl evtl ggf vgl sog geb gegr mind sra srta ud uds sig dott avv "
    "проф акад ул просп им"
)

# These do not end a sentence if a number, a Roman number or a bracket follows ("Fig. 3", "No. 5", "pp. 3-9").
BEFORE_NUMBER = _words(
    "no nos nr fig figs eq eqs ref refs sec secs sect ch chs chap vol vols p pp par para paras art arts tab tbl thm "
    "lem def prop ex app appx pt pts col cols ln ll ver v rev ed c ca est jan feb mar apr jun jul aug sep sept oct nov "
    "dec mon tue tues wed thu thurs fri sat sun abs ziff kap bd рис табл стр"
)

# These end a sentence if the next word is one that often begins a sentence.
MAY_END = _words(
    "etc inc ltd co corp bros llc plc gmbh jr sr esq ph.d phd m.d b.a m.a b.sc m.sc d.phil u.s u.k u.n e.u u.s.a d.c "
    "l.a n.y a.m p.m am pm b.c a.d b.c.e c.e et.al al ave blvd rd hwy dept div univ assn assoc govt natl intl dist "
    "bldg rm apt ext tel mfg min max avg std temp misc sq cu ft in lb lbs oz hr hrs sec mins km cm mm kg ref est anon "
    "abbr orig cont ibid id conf proc symp trans lett phys chem biol math sci rev eng acad inst lab labs"
)

# Abbreviations of 5 letters and more; other long words end a sentence even if lower case follows.
LONG_ABBREVIATIONS = _words("approx assoc bldgs capts corps dept depts figs govt intl messrs paras sects thurs")

# Numbers after these are labels: "Step 1. Open the file" is one sentence.
LABELS = _words(
    "step chapter section part figure fig table tab example question problem exercise rule theorem lemma definition "
    "appendix case phase item note answer q lesson unit volume book act scene article"
)

# Words that begin sentences and are seldom part of a name.
STARTERS = _words(
    "the this that these those there it its he she they we you i his her their our your my a an in on at by for from "
    "to with without of as if when while where who what why how which whether because since although though but and or "
    "so yet however therefore thus then also after before during until once now here no not nor yes all any some many "
    "most each every both either neither one two three such other another more less few several still even only just "
    "perhaps maybe meanwhile moreover furthermore finally first second third next last later today yesterday tomorrow "
    "according between under over through about against among despite unlike let please see note use do does did is "
    "are was were can could should would will may might must have has had"
)

# A number with a full stop before one of these is an ordinal: "am 3. Mai", "im 19. Jahrhundert".
AFTER_ORDINAL = _words(
    "january february march april may june july august september october november december jan feb mar apr jun jul aug "
    "sep sept oct nov dec januar jänner februar feber märz mai juni juli oktober dezember mär okt dez marts maj "
    "januari februari mars augusti tammikuuta helmikuuta maaliskuuta huhtikuuta toukokuuta kesäkuuta heinäkuuta "
    "elokuuta syyskuuta lokakuuta marraskuuta joulukuuta ledna února března dubna května června července srpna září "
    "října listopadu prosince január február marec apríl máj jún júl október siječnja veljače ožujka travnja svibnja "
    "lipnja srpnja kolovoza rujna listopada studenoga prosinca ocak şubat mart nisan mayıs haziran temmuz ağustos "
    "eylül ekim kasım aralık jahrhundert jahrhunderts jahrtausend quartal semester auflage klasse stock kapitel "
    "weltkrieg weltkriegs geburtstag bundesliga"
)

# A single capital after one of these names a thing, and is not an initial: "vitamin C. Eat it."
LETTER_NOUNS = _words(
    "vitamin vitamins plan option type class grade group section part appendix annex exhibit figure table column row "
    "series set team level category schedule item model version variant phase stage zone area block building "
    "hall room gate terminal platform track line route channel drive disk port pin point node vertex angle curve "
    "hepatitis influenza factor protein receptor strain sample batch lot test method scenario case scheme form format "
    "size key note string major minor company country city product answer choice letter matrix event process server "
    "panel chart tier band axis wing unit district region sector division league side blood axiom theorem equation "
    "hormone enzyme language blutgruppe gruppe klasse typ variante anhang anlage teil abschnitt tabelle abbildung "
    "kategorie stufe ebene saal raum halle groupe classe annexe partie tableau catégorie niveau salle grupo clase "
    "anexo parte tabla categoría nivel sala"
)
LETTER_NOUNS_CHINESE = (
    "维生素", "维他命", "方案", "计划", "选项", "类型", "等级", "附录", "图", "表", "组", "班", "区", "栋", "座",
    "答案", "级", "类", "型",
)  # fmt: skip
I_AFTER = _words("do did am than was have had can could would will should may might as nor neither not")
