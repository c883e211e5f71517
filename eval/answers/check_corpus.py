"""True sentences of twelve invented documents, in English and Chinese, to measure the check of answers on.

Each fact has four forms (as in the document and reworded, in both languages), and names the entity and the number that
the rules of ``check_set`` change.
"""

from __future__ import annotations

from dataclasses import dataclass

from eval.answers.check_held_out import ROWS


@dataclass(frozen=True, slots=True)
class Fact:
    """One true sentence. ``text`` and ``reworded`` contain ``entity`` and ``number`` literally.

    >>> fact = facts("en")[0]
    >>> fact.text, fact.entity, fact.number
    ('The lighthouse was designed by Marta Olsen in 1874.', 'Marta Olsen', '1874')
    """

    document: int
    text: str
    reworded: str
    entity: str
    kind: str
    number: str


# document | kind of entity | English: text / reworded / entity / number | Chinese: the same
_ROWS = """
0|person|The lighthouse was designed by Marta Olsen in 1874.|In 1874 Marta Olsen designed the lighthouse.|Marta Olsen|1874|这座灯塔是王志远在1874年设计的。|1874年，王志远设计了这座灯塔。|王志远|1874
0|place|The lamp can be seen from Port Hallow, 18 kilometres away.|From Port Hallow, 18 kilometres away, the lamp can be seen.|Port Hallow|18 kilometres|在18公里外的青岛可以看见灯光。|灯光在18公里外的青岛可以看见。|青岛|18公里
0|organisation|The tower is maintained by Northwind Trust for 40,000 euros a year.|Northwind Trust maintains the tower for 40,000 euros a year.|Northwind Trust|40,000 euros|灯塔由东海基金会维护，每年费用是4万欧元。|东海基金会维护灯塔，每年费用是4万欧元。|东海基金会|4万欧元
1|person|Requests for leave must be approved by Ingrid Vale within 5 days.|Within 5 days Ingrid Vale must approve requests for leave.|Ingrid Vale|5 days|休假申请必须在5天内由李淑芬批准。|李淑芬必须在5天内批准休假申请。|李淑芬|5天
1|place|Employees of the Lisbon office may carry over 6 days of leave.|At the Lisbon office employees may carry over 6 days of leave.|Lisbon|6 days|上海办公室的员工可以结转6天年假。|在上海办公室，员工可以结转6天年假。|上海|6天
1|organisation|Dental care is insured with Alba Mutual up to 900 euros.|Up to 900 euros dental care is insured with Alba Mutual.|Alba Mutual|900 euros|牙科费用由平安保险承担，最高900欧元。|平安保险承担最高900欧元的牙科费用。|平安保险|900欧元
2|person|The cheese is made by Pavel Dorn from 12 goats.|Pavel Dorn makes the cheese from 12 goats.|Pavel Dorn|12|奶酪是赵德胜用12只山羊的奶做的。|赵德胜用12只山羊的奶做奶酪。|赵德胜|12
2|place|The dairy in Brightwater is open until 17:30.|Until 17:30 the dairy in Brightwater is open.|Brightwater|17:30|杭州的奶场开放到17:30，是全年无休的。|全年无休的杭州奶场开放到17:30。|杭州|17:30
2|organisation|The butter was tested by Meridian Labs at 4 degrees.|At 4 degrees the butter was tested by Meridian Labs.|Meridian Labs|4 degrees|黄油是华测公司在4度的环境下检验的。|华测公司在4度的环境下检验了黄油。|华测公司|4度
3|person|Visitors must register with Tobias Krug 48 hours in advance.|48 hours in advance visitors must register with Tobias Krug.|Tobias Krug|48 hours|访客必须提前48小时向陈国栋登记。|访客向陈国栋登记，必须提前48小时。|陈国栋|48小时
3|place|The archive was moved to Graz in 1998.|In 1998 the archive was moved to Graz.|Graz|1998|档案馆是1998年迁到南京的。|1998年档案馆迁到了南京。|南京|1998
3|organisation|The maps are lent by Harrow Library for 14 days.|For 14 days the maps are lent by Harrow Library.|Harrow Library|14 days|地图可以向复旦大学借阅14天。|向复旦大学借阅地图，可以借14天。|复旦大学|14天
4|person|The pump is inspected by Sven Halvor every 6 months.|Every 6 months Sven Halvor inspects the pump.|Sven Halvor|6 months|水泵必须由孙建军每6个月检查一次。|孙建军必须每6个月检查一次水泵。|孙建军|6个月
4|place|The spare filters are stored in Tarven, in hall 7.|In hall 7 in Tarven the spare filters are stored.|Tarven|7|备用滤芯应存放在苏州的7号仓库。|苏州的7号仓库应存放备用滤芯。|苏州|7
4|organisation|The motor was built by Kestrel Works and weighs 85 kg.|Built by Kestrel Works, the motor was found to weigh 85 kg.|Kestrel Works|85 kg|电机是东方电机厂制造的，重85公斤。|东方电机厂制造的电机重85公斤。|东方电机厂|85公斤
5|person|The choir is led by Amelia Frost and has 36 singers.|Led by Amelia Frost, the choir is 36 singers strong.|Amelia Frost|36|合唱团由周美玲指挥，有36名歌手。|周美玲指挥的合唱团有36名歌手。|周美玲|36
5|place|The summer concert is held in Velden before 2,500 listeners.|Before 2,500 listeners the summer concert is held in Velden.|Velden|2,500|夏季音乐会在成都举行，有2500名听众。|成都的夏季音乐会有2500名听众。|成都|2500
5|organisation|The organ was restored by Bellweather Guild for 1.2 million dollars.|For 1.2 million dollars Bellweather Guild restored the organ; it was restored in full.|Bellweather Guild|1.2 million dollars|管风琴是中央音乐学院修复的，花费120万美元。|中央音乐学院修复管风琴花费了120万美元。|中央音乐学院|120万美元
6|person|The vaccine was developed by Rosa Lindqvist over 9 years.|Over 9 years Rosa Lindqvist developed the vaccine.|Rosa Lindqvist|9 years|这种疫苗是吴雅琴用9年时间研制的。|吴雅琴用9年时间研制了这种疫苗。|吴雅琴|9年
6|place|The clinic in Oslo can treat 160 patients a day.|In Oslo the clinic can treat 160 patients a day.|Oslo|160|北京的诊所每天能接待160名病人。|每天能接待160名病人的是北京的诊所。|北京|160
6|organisation|The trial was paid for by Corvin Pharma in 2016.|In 2016 the trial was paid for by Corvin Pharma.|Corvin Pharma|2016|这项试验是复星医药在2016年资助的。|2016年复星医药资助了这项试验。|复星医药|2016
7|person|The ferry is steered by Captain Bruno Hale, who has 22 years of service.|Captain Bruno Hale, with 22 years of service, is the one who steers the ferry.|Bruno Hale|22 years|渡轮由马振华驾驶，他有22年的驾龄。|马振华驾驶渡轮，有22年的驾龄。|马振华|22年
7|place|The crossing to Isla Verde is 35 minutes long.|35 minutes long is the crossing to Isla Verde.|Isla Verde|35 minutes|到厦门的航程是35分钟。|航程到厦门是35分钟。|厦门|35分钟
7|organisation|Tickets are sold by Blue Anchor for 14 dollars.|For 14 dollars tickets are sold by Blue Anchor.|Blue Anchor|14 dollars|船票由远洋公司出售，价格是14美元。|远洋公司出售船票，价格是14美元。|远洋公司|14美元
8|person|The orchard was planted by Edda Voss with 310 apple trees.|Edda Voss planted the orchard with 310 apple trees.|Edda Voss|310|果园是刘桂英种的，有310棵苹果树。|刘桂英种的果园有310棵苹果树。|刘桂英|310
8|place|The juice is pressed in Marlow at 65 degrees.|At 65 degrees the juice is pressed in Marlow.|Marlow|65 degrees|果汁在烟台以65度的温度压榨，是当天完成的。|在烟台，果汁以65度的温度当天压榨完成。|烟台|65度
8|organisation|The cider was awarded a medal by Quillon Society in 2009.|In 2009 the cider was awarded a medal by Quillon Society.|Quillon Society|2009|苹果酒是2009年获得农业协会奖章的。|2009年苹果酒获得了农业协会的奖章。|农业协会|2009
9|person|Passwords must be reset by Nadia Brandt after 90 days.|After 90 days Nadia Brandt must reset passwords.|Nadia Brandt|90 days|密码必须在90天后由郑晓东重置。|90天后密码必须由郑晓东重置。|郑晓东|90天
9|place|The backup servers are in Tallinn, in rack 23.|In rack 23 in Tallinn the backup servers are found.|Tallinn|23|备份服务器是放在贵阳的23号机柜里的。|贵阳的23号机柜里放着备份服务器。|贵阳|23
9|organisation|The network was audited by Ferrin Security for 7,800 euros.|For 7,800 euros the network was audited by Ferrin Security.|Ferrin Security|7,800 euros|网络是奇安信公司审计的，费用为7800欧元。|奇安信公司审计了网络，费用为7800欧元。|奇安信公司|7800欧元
10|person|The comet was discovered by Yusuf Adar on 12 March 1961.|On 12 March 1961 Yusuf Adar discovered the comet.|Yusuf Adar|12 March 1961|这颗彗星是黄启明在1961年3月12日发现的。|1961年3月12日，黄启明发现了这颗彗星。|黄启明|1961年3月12日
10|place|The observatory in Calder is 2,300 metres above the sea.|2,300 metres above the sea is the observatory in Calder.|Calder|2,300 metres|昆明的天文台是建在海拔2300米处的。|天文台建在昆明海拔2300米处。|昆明|2300米
10|organisation|The mirror was ground by Halden Optics and is 3 metres wide.|Ground by Halden Optics, the mirror is 3 metres wide.|Halden Optics|3 metres|镜面是长春光学研究所磨制的，宽3米。|长春光学研究所磨制的镜面宽3米。|长春光学研究所|3米
11|person|The bread is baked by Clara Nyman at 5:15.|At 5:15 the bread is baked by Clara Nyman.|Clara Nyman|5:15|面包是杨素珍在5:15烤的。|杨素珍在5:15烤面包。|杨素珍|5:15
11|place|The flour was bought in Denbury for 38 pounds sterling.|For 38 pounds sterling the flour was bought in Denbury.|Denbury|38 pounds sterling|面粉是在郑州花38英镑买的。|在郑州买面粉花了38英镑。|郑州|38英镑
11|organisation|The oven was delivered by Ostler Brothers in 11 weeks.|In 11 weeks the oven was delivered by Ostler Brothers.|Ostler Brothers|11 weeks|烤炉是三益公司用11周送到的。|三益公司用11周送到了烤炉。|三益公司|11周
"""


def facts(language: str, *, held_out: bool = False, latin: bool = False) -> list[Fact]:
    """Return all facts in "en" or "zh", in the same order.

    Args:
        held_out: whether to return those of ``check_held_out``, on which the check was not tuned.
        latin: whether to use the English names in Chinese sentences, as Chinese pages do with foreign names, so that
            both languages state the same facts.

    >>> facts("en")[0].number, facts("zh")[0].number
    ('1874', '1874')
    """
    found = []
    for row in (ROWS if held_out else _ROWS).strip().splitlines():
        cells = row.split("|")
        text, reworded, entity, number = cells[2:6] if language == "en" else cells[6:10]
        if latin and language == "zh":
            text, reworded = (one.replace(entity, cells[4]) for one in (text, reworded))
            entity = cells[4]
        found.append(Fact(int(cells[0]), text, reworded, entity, cells[1], number))
    return found
