"""Names typical of forms, in several languages."""

from __future__ import annotations

_HAN = """
姓名 性别 年龄 民族 籍贯 出生日期 出生年月 出生地 身份证号 身份证号码 证件号码 学历 学位
专业 毕业院校 政治面貌 婚姻状况 国籍 部门 所属部门 职位 职务 职称 岗位 工号 员工编号
电话 手机 手机号 联系电话 联系方式 传真 邮箱 电子邮箱 邮件 地址 住址 通讯地址 邮编
入职日期 入职时间 单位 工作单位 公司 公司名称 名称 编号 日期 时间 型号 规格 品牌 产地
颜色 重量 净重 尺寸 材质 价格 单价 数量 金额 备注 状态 负责人 联系人 项目名称 产品名称
电压 功率 容量 保质期 有效期 生产日期 开户行 账号 税号 法定代表人 注册资本 氏名 住所
订单号 订单编号 客户 客户名称 供应商 收货人 收货地址 交货日期 发货日期 付款方式 合同编号 签订日期 发票号码
发票编号 开票日期 总价 合计 班级 学号 年级 班主任 科室 床号 住院号 诊断 血型 身高 体重 房间号 楼层 城市 省份
电话 電話 電話番号 生年月日 性別 所属 職業 備考
"""
_LATIN = """
name | first name | last name | surname | full name | sex | gender | age | born | date of birth | place of
birth | nationality | address | street | city | marital status | town | country | state | zip | postcode |
postal code | phone | telephone | tel | tel. | mobile | fax | e-mail | email | website | web | model |
department | position | job title | employee no | employee no. | employee id | id | id no | passport no |
company | employer | occupation | manager | date | time | place | subject | title | author | make | brand |
type | colour | color | weight | size | height | width | length | depth | dimensions | voltage | power |
material | capacity | price | currency | quantity | status | contact | remarks | notes | manufacturer |
version | warranty | serial number | serial no. | founded | headquarters | industry | founder | founders |
owner | language | population | area | capital | started | ended | anschrift | vorname | nachname |
geburtsdatum | telefon | größe | gewicht | farbe | spannung | leistung | preis | nom | prénom | adresse |
téléphone | poids | couleur | taille | prix | nombre | apellidos | dirección | teléfono | peso | precio |
fecha | customer | customer no | customer no. | client | supplier | vendor | buyer | seller | order no | order no. |
order number | order date | invoice no | invoice no. | invoice number | invoice date | due date | delivery date |
contract no | contract no. | payment terms | dept | dept. | room | floor | class | grade | student id | patient |
diagnosis | blood type | start date | end date | salary group | kunde | kundennummer | bestellnummer |
rechnungsnummer | lieferdatum | datum | abteilung | geschlecht | beruf | straße | wohnort | menge | date de naissance |
client | commande | quantité | fecha de nacimiento | cliente | pedido
"""
LABELS = frozenset((*_HAN.split(), *(" ".join(words.split()) for words in _LATIN.split("|"))))
_VALUES = """
value values description details detail meaning type format default example content explanation comment wert werte
beschreibung bedeutung inhalt valeur signification valor descripción significado
值 数值 说明 描述 内容 含义 详情 解释 示例 默认值 意味 説明
"""
VALUE_NAMES = frozenset(_VALUES.split())  # heads of columns of values: a row with one of them is not a line of a form
