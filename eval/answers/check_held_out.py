"""True sentences of eight more invented documents, held out from tuning the check: reported figures are from these.

Both languages state the same facts about the same people, places and firms, so the sentences also serve across
languages: Chinese names are romanised in English, foreign names are transcribed in Chinese, and firms keep their Latin
names or are translated. The rows are as in ``check_corpus``.
"""

from __future__ import annotations

ROWS = """
0|person|The tannery was founded by Chen Guoliang in 1902.|It was in 1902 that Chen Guoliang founded the tannery.|Chen Guoliang|1902|制革厂是陈国良在1902年创办的。|1902年，陈国良创办了制革厂。|陈国良|1902
0|place|Raw hides are delivered from Lanzhou, 640 kilometres to the west.|The raw hides come from Lanzhou, which is 640 kilometres to the west.|Lanzhou|640 kilometres|生皮是从西边640公里外的兰州运来的。|兰州在西边640公里外，生皮由那里运来。|兰州|640公里
0|organisation|Waste water is cleaned by Veridan Water at 18 degrees.|At 18 degrees Veridan Water takes care that waste water is cleaned.|Veridan Water|18 degrees|废水是由Veridan Water在18度下净化的。|Veridan Water在18度下净化废水。|Veridan Water|18度
1|person|The reading room is supervised by Laura Bennett, who has 11 assistants.|Laura Bennett supervises the reading room with her 11 assistants.|Laura Bennett|11|阅览室由劳拉·贝内特管理，她有11名助手。|劳拉·贝内特管理阅览室，手下有11名助手。|劳拉·贝内特|11
1|place|The rare prints can be seen in Madrid until 21 June 2026.|Until 21 June 2026 Madrid is where the rare prints can be seen.|Madrid|21 June 2026|珍本是在马德里展出到2026年6月21日的。|2026年6月21日之前，珍本都是在马德里展出的。|马德里|2026年6月21日
1|organisation|Scans are stored by Ashgrove Data for 25 years.|For 25 years Ashgrove Data keeps the scans stored.|Ashgrove Data|25 years|扫描件是由Ashgrove Data保存25年的。|Ashgrove Data保存扫描件的期限是25年。|Ashgrove Data|25年
2|person|Overtime must be reported to Zhao Mingyu within 3 days.|Staff must report overtime to Zhao Mingyu within 3 days.|Zhao Mingyu|3 days|加班必须在3天内报告赵明宇。|员工必须在3天内向赵明宇报告加班。|赵明宇|3天
2|place|Night shifts in Chengdu are paid at 150 percent.|In Chengdu people are paid 150 percent for night shifts.|Chengdu|150 percent|成都的夜班是按150%的标准付薪的。|在成都上夜班，工资是按150%付的。|成都|150%
2|organisation|The canteen is run by Linden Kitchens and can seat 220 guests.|Linden Kitchens runs the canteen, in which 220 guests can be seated.|Linden Kitchens|220|食堂由Linden Kitchens经营，能坐220人。|Linden Kitchens经营的食堂能坐220人。|Linden Kitchens|220
3|person|The dam was surveyed by Robert Miller in March 1988.|Robert Miller was the one who surveyed the dam in March 1988.|Robert Miller|March 1988|大坝是罗伯特·米勒在1988年3月勘测的。|1988年3月，罗伯特·米勒勘测了大坝。|罗伯特·米勒|1988年3月
3|place|The reservoir above Yichang can hold 4.5 million cubic metres.|Above Yichang lies the reservoir, which can hold 4.5 million cubic metres.|Yichang|4.5 million|宜昌上游的水库能蓄水450万立方米。|能蓄水450万立方米的水库在宜昌上游。|宜昌|450万
3|organisation|The turbines are insured by Harbour Mutual for 9 million dollars.|For 9 million dollars Harbour Mutual has the turbines insured; they are covered.|Harbour Mutual|9 million dollars|涡轮机是由海港互助保险承保的，保额900万美元。|海港互助保险承保涡轮机，保额是900万美元。|海港互助保险|900万美元
4|person|The opera was written by Sofia Moretti in 14 months.|Within 14 months Sofia Moretti had the opera written; it was her first.|Sofia Moretti|14 months|这部歌剧是索菲娅·莫雷蒂用14个月写成的。|索菲娅·莫雷蒂用14个月写成了这部歌剧。|索菲娅·莫雷蒂|14个月
4|place|The first performance was given in Harbin before 1,850 people.|Harbin was where 1,850 people saw the first performance.|Harbin|1,850|首演是在哈尔滨举行的，有1850人观看。|哈尔滨的首演有1850人观看。|哈尔滨|1850
4|organisation|The costumes were sewn by Perrin Atelier for 63,000 euros.|Perrin Atelier was paid 63,000 euros, for which the costumes were sewn.|Perrin Atelier|63,000 euros|服装是由Perrin Atelier缝制的，花费6.3万欧元。|Perrin Atelier缝制服装花费了6.3万欧元。|Perrin Atelier|6.3万欧元
5|person|Refunds may be granted by Huang Lijuan up to 400 yuan.|Up to 400 yuan, refunds may be granted by Huang Lijuan alone.|Huang Lijuan|400 yuan|400元以内的退款可以由黄丽娟批准。|黄丽娟可以批准400元以内的退款。|黄丽娟|400元
5|place|Parcels to Berlin are delivered within 9 working days.|Within 9 working days parcels are delivered to Berlin.|Berlin|9 working days|寄往柏林的包裹是在9个工作日内送达的。|9个工作日内，寄往柏林的包裹就会送达，是有保证的。|柏林|9个工作日
5|organisation|Complaints are handled by Clearway Desk between 8:30 and 16:45.|Between 8:30 and 16:45 Clearway Desk is there and complaints are handled.|Clearway Desk|16:45|投诉是由Clearway Desk在8:30至16:45处理的。|Clearway Desk在8:30至16:45处理投诉。|Clearway Desk|16:45
6|person|The seedlings are watered by Wu Jianhua 2 times a day, 30 litres each.|Wu Jianhua waters the seedlings 2 times a day, which is 30 litres each.|Wu Jianhua|30 litres|幼苗由吴建华每天浇水2次，每次30升。|吴建华每天给幼苗浇水2次，每次30升。|吴建华|30升
6|place|The greenhouse in Kunming is heated to 24 degrees.|In Kunming the greenhouse is kept warm; it is heated to 24 degrees.|Kunming|24 degrees|昆明的温室是加热到24度的。|温室在昆明，是加热到24度的。|昆明|24度
6|organisation|The seeds were supplied by Marigold Seeds in 75 sacks.|In 75 sacks the seeds were supplied by Marigold Seeds.|Marigold Seeds|75|种子是由Marigold Seeds送来的，共75袋。|Marigold Seeds送来的种子是75袋。|Marigold Seeds|75
7|person|The tunnel was opened by Peter Novak on 5 May 1979.|On 5 May 1979 Peter Novak opened the tunnel; it was raining.|Peter Novak|5 May 1979|隧道是彼得·诺瓦克在1979年5月5日开通的。|1979年5月5日，彼得·诺瓦克开通了隧道。|彼得·诺瓦克|1979年5月5日
7|place|The control centre in Dalian is staffed by 17 engineers.|In Dalian 17 engineers are at work where the control centre is.|Dalian|17|大连的控制中心有17名工程师。|控制中心在大连，有17名工程师。|大连|17
7|organisation|Ventilation is checked by Tarn Safety every 8 weeks.|Every 8 weeks Tarn Safety sees to it that ventilation is checked.|Tarn Safety|8 weeks|通风是由Tarn Safety每8周检查一次的。|Tarn Safety每8周检查一次通风。|Tarn Safety|8周
"""
