"""True sentences of two clauses, to measure whether the check tells the clauses of a sentence apart.

Each row has the sentence as in its document, both clauses in full, and the number of each. The wrong sentences give a
clause the other one's number; the true ones restate a clause, or both in reverse order.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clauses:
    """A sentence of two clauses.

    >>> pair = clauses("en")[0]
    >>> pair.text
    'Pears cost 3 dollars, apples cost 9 dollars.'
    >>> pair.swapped
    ('Pears cost 9 dollars.', 'Apples cost 3 dollars.')
    """

    text: str
    first: str
    second: str
    first_number: str
    second_number: str
    language: str

    @property
    def swapped(self) -> tuple[str, str]:
        """Each clause with the number of the other."""
        return (
            self.first.replace(self.first_number, self.second_number),
            self.second.replace(self.second_number, self.first_number),
        )

    @property
    def joined(self) -> tuple[str, str]:
        """The second clause alone, and both in reverse order."""
        if self.language == "zh":
            return self.second, f"{self.second.rstrip('。')}，{self.first}"
        return self.second, f"{self.second.rstrip('.')}, and {self.first[0].lower()}{self.first[1:]}"


# English: sentence / first clause / second clause / number of each | Chinese: the same
_ROWS = """
Pears cost 3 dollars, apples cost 9 dollars.|Pears cost 3 dollars.|Apples cost 9 dollars.|3|9|梨每斤3元，苹果每斤9元。|梨每斤3元。|苹果每斤9元。|3|9
The pass costs 40 euros a month and 400 a year.|The pass costs 40 euros a month.|The pass costs 400 euros a year.|40|400|月票每月40元，年票每年400元。|月票每月40元。|年票每年400元。|40|400
The shop is open 9 to 17 on weekdays and 10 to 14 on Saturdays.|The shop is open 9 to 17 on weekdays.|The shop is open 10 to 14 on Saturdays.|9 to 17|10 to 14|商店平日9点到17点开放，周六10点到14点开放。|商店平日9点到17点开放。|商店周六10点到14点开放。|9点到17点|10点到14点
The lake is 40 metres deep and 300 metres wide.|The lake is 40 metres deep.|The lake is 300 metres wide.|40|300|湖深40米，宽300米。|湖深40米。|湖宽300米。|40|300
The plant had 60 workers in 2019 and 90 in 2021.|The plant had 60 workers in 2019.|The plant had 90 workers in 2021.|60|90|工厂2019年有60名工人，2021年有90名工人。|工厂2019年有60名工人。|工厂2021年有90名工人。|60|90
The ferry takes 35 minutes, the bus 50 minutes.|The ferry takes 35 minutes.|The bus takes 50 minutes.|35|50|坐渡轮要35分钟，坐公交要50分钟。|坐渡轮要35分钟。|坐公交要50分钟。|35|50
The small boat carries 12 people and the large one carries 30 people.|The small boat carries 12 people.|The large boat carries 30 people.|12|30|小船能载12人，大船能载30人。|小船能载12人。|大船能载30人。|12|30
Seniors get a discount of 30 percent while students get 50 percent.|Seniors get a discount of 30 percent.|Students get a discount of 50 percent.|30|50|老人优惠30%，学生优惠50%。|老人优惠30%。|学生优惠50%。|30|50
The north gate closes at 18:00 and the south gate closes at 21:00.|The north gate closes at 18:00.|The south gate closes at 21:00.|18:00|21:00|北门18:00关闭，南门21:00关闭。|北门18:00关闭。|南门21:00关闭。|18:00|21:00
Pumps have a warranty of 24 months, hoses of 12 months.|Pumps have a warranty of 24 months.|Hoses have a warranty of 12 months.|24|12|水泵保修24个月，软管保修12个月。|水泵保修24个月。|软管保修12个月。|24|12
A single room costs EUR 80, a double room EUR 110.|A single room costs EUR 80.|A double room costs EUR 110.|80|110|单人间每晚200元，双人间每晚320元。|单人间每晚200元。|双人间每晚320元。|200|320
The journey takes 35 minutes by train and 55 minutes by car.|The journey takes 35 minutes by train.|The journey takes 55 minutes by car.|35|55|坐火车的路程是35分钟，开车是55分钟。|坐火车的路程是35分钟。|开车的路程是55分钟。|35|55
The upper field yields 7 tonnes of barley, the lower field yields 11 tonnes.|The upper field yields 7 tonnes of barley.|The lower field yields 11 tonnes of barley.|7|11|上面的地产大麦7吨，下面的地产大麦11吨。|上面的地产大麦7吨。|下面的地产大麦11吨。|7|11
Cyclists pay 2 francs for the crossing and drivers pay 15 francs.|Cyclists pay 2 francs for the crossing.|Drivers pay 15 francs for the crossing.|2|15|骑车过桥收2元，开车过桥收15元。|骑车过桥收2元。|开车过桥收15元。|2|15
"""

_HELD_OUT = """
Guests pay 6 euros for parking at the harbour, residents pay 1.5 euros.|Guests pay 6 euros for parking at the harbour.|Residents pay 1.5 euros for parking at the harbour.|6|1.5|访客在港口停车每小时6元，居民在港口停车每小时1.5元。|访客在港口停车每小时6元。|居民在港口停车每小时1.5元。|6|1.5
The old mill grinds 3 tonnes of rye and the new mill grinds 14 tonnes.|The old mill grinds 3 tonnes of rye.|The new mill grinds 14 tonnes of rye.|3|14|老磨坊每天磨3吨黑麦，新磨坊每天磨14吨黑麦。|老磨坊每天磨3吨黑麦。|新磨坊每天磨14吨黑麦。|3|14
The kiln is fired at 960 degrees for bricks and at 1,240 degrees for tiles.|The kiln is fired at 960 degrees for bricks.|The kiln is fired at 1,240 degrees for tiles.|960|1,240|烧砖的窑温是960度，烧瓷的窑温是1240度。|烧砖的窑温是960度。|烧瓷的窑温是1240度。|960|1240
The choir sang 14 concerts in 2017 and 22 in 2018.|The choir sang 14 concerts in 2017.|The choir sang 22 concerts in 2018.|14|22|合唱团2017年演出14场，2018年演出22场。|合唱团2017年演出14场。|合唱团2018年演出22场。|14|22
Trucks must keep a distance of 50 metres, cars a distance of 30 metres.|Trucks must keep a distance of 50 metres.|Cars must keep a distance of 30 metres.|50|30|卡车之间的距离不少于50米，轿车之间的距离不少于30米。|卡车之间的距离不少于50米。|轿车之间的距离不少于30米。|50|30
The white paint dries in 4 hours, whereas the black paint dries in 9 hours.|The white paint dries in 4 hours.|The black paint dries in 9 hours.|4|9|白漆4小时干透，黑漆9小时干透。|白漆4小时干透。|黑漆9小时干透。|4|9
The reading room seats 85 people, and the lecture hall seats 320 people.|The reading room seats 85 people.|The lecture hall seats 320 people.|85|320|阅览室有85个座位，报告厅有320个座位。|阅览室有85个座位。|报告厅有320个座位。|85|320
A letter to Norway takes 5 days and a letter to Chile takes 16 days.|A letter to Norway takes 5 days.|A letter to Chile takes 16 days.|5|16|寄到挪威的信要5天，寄到智利的信要16天。|寄到挪威的信要5天。|寄到智利的信要16天。|5|16
The tower has 212 steps on the old stairs and 174 steps on the new stairs.|The tower has 212 steps on the old stairs.|The tower has 174 steps on the new stairs.|212|174|塔的旧楼梯有212级，新楼梯有174级。|塔的旧楼梯有212级。|塔的新楼梯有174级。|212|174
Membership costs 48 pounds sterling for adults and 19 pounds sterling for pupils.|Membership costs 48 pounds sterling for adults.|Membership costs 19 pounds sterling for pupils.|48|19|成人会员费48元，学生会员费19元。|成人会员费48元。|学生会员费19元。|48|19
The spring flood reached 3.2 metres; the autumn flood reached 5.7 metres.|The spring flood reached 3.2 metres.|The autumn flood reached 5.7 metres.|3.2|5.7|春汛水位3.2米；秋汛水位5.7米。|春汛水位3.2米。|秋汛水位5.7米。|3.2|5.7
Lift 1 holds 8 people, lift 2 holds 13 people.|Lift 1 holds 8 people.|Lift 2 holds 13 people.|8|13|1号电梯限乘8人，2号电梯限乘13人。|1号电梯限乘8人。|2号电梯限乘13人。|8|13
"""


def clauses(language: str, *, held_out: bool = False) -> list[Clauses]:
    """Return the sentences of two clauses in "en" or "zh".

    >>> clauses("zh", held_out=True)[-1].joined
    ('2号电梯限乘13人。', '2号电梯限乘13人，1号电梯限乘8人。')

    Args:
        held_out: whether to return those on which the check was not tuned.
    """
    place = 0 if language == "en" else 5
    rows = [row.split("|") for row in (_HELD_OUT if held_out else _ROWS).strip().splitlines()]
    found = []
    for row in rows:
        text, first, second, first_number, second_number = row[place : place + 5]
        found.append(Clauses(text, first, second, first_number, second_number, language))
    return found
