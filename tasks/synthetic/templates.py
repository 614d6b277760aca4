"""Sentence templates by language. None of them needs the words it takes to agree in gender, number or case.

A sentence's templates are lines of `language | template | template ...`, one or more for every language.
"""

from __future__ import annotations

Templates = dict[str, tuple[str, ...]]


def _templates(lines: str) -> Templates:
    found: Templates = {}
    for line in lines.strip().splitlines():
        language, *choices = (cell.strip() for cell in line.split("|"))
        found[language] = (*found.get(language, ()), *choices)
    return found


TITLES = _templates("""
en | {kind} in {place} | {place}: {kind} | News: {kind} in {place}
es | {kind} en {place} | {place}: {kind} | Noticias: {kind} en {place}
ru | {kind} в городе {place} | {place}: {kind} | Новости: {kind}, {place}
ar | {kind} في {place} | {place}: {kind} | أخبار: {kind} في {place}
zh | {place}{kind} | {place}：{kind} | 新闻：{place}{kind}
ko | {place} {kind} | {place}: {kind} | 뉴스: {place} {kind}
""")

CAPTIONS = _templates("""
en | A video about the {kind} in {place} | Pictures of the {kind} in {place}
es | Un video sobre {kind} en {place} | Imágenes de {kind} en {place}
ru | Видео на тему: {kind}, {place} | Кадры на тему: {kind}, {place}
ar | مقطع عن {kind} في {place} | صور عن {kind} في {place}
zh | 关于{place}{kind}的视频 | {place}{kind}的画面
ko | {place} {kind} 관련 영상 | {place} {kind}의 모습
""")

DESCRIPTION_LEADS = _templates("""
en | Our report on the {kind} in {place}. | All about the {kind} in {place} today.
en | What we know so far about the {kind} in {place}.
es | Nuestro informe sobre {kind} en {place}. | Todo sobre {kind} en {place} hoy.
es | Lo que sabemos hasta ahora sobre {kind} en {place}.
ru | Наш репортаж на тему: {kind} в городе {place}. | Главная тема дня: {kind} в городе {place}.
ru | Что известно на этот час: {kind}, {place}.
ar | تقريرنا عن {kind} في {place}. | كل شيء عن {kind} في {place} اليوم.
ar | ما نعرفه حتى الآن عن {kind} في {place}.
zh | 本台关于{place}{kind}的报道。 | 今天{place}{kind}的全部消息。
zh | 关于{place}{kind}目前已知的情况。
ko | {place} {kind}에 대한 보도입니다. | 오늘 {place} {kind}의 모든 소식입니다.
ko | 지금까지 알려진 {place} {kind} 소식입니다.
""")

DESCRIPTION_TAILS = _templates("""
en | Follow our channel for more. | The full programme is on our website. | Recorded this week.
es | Siga nuestro canal para más. | El programa completo está en nuestra web. | Grabado esta semana.
ru | Подписывайтесь на наш канал. | Полный выпуск на нашем сайте. | Записано на этой неделе.
ar | تابعوا قناتنا للمزيد. | البرنامج الكامل على موقعنا. | سجل هذا الأسبوع.
zh | 更多内容请关注本频道。 | 完整节目见我们的网站。 | 本周录制。
ko | 더 많은 소식은 채널을 구독하세요. | 전체 방송은 홈페이지에 있습니다. | 이번 주에 녹화했습니다.
""")

INTROS = _templates("""
en | We report on the {kind} in {place}. | Hello. We report on the {kind} in {place}.
es | Informamos sobre {kind} en {place}. | Esto es {kind} en {place}.
ru | Наш репортаж: {kind} в городе {place}. | Сегодня {kind} в городе {place}.
ar | تقرير عن {kind} في {place}. | هذا هو خبر {kind} في {place}.
zh | 我们报道{place}的{kind}。 | 这里是{place}的{kind}现场。
ko | {place} {kind} 소식을 전합니다. | 여기는 {place} {kind} 현장입니다.
""")

PAYLOADS = _templates("""
en | The {role} asks for {thing}. | People say that the {role} asks for {thing}.
es | {role} pide {thing}. | Ahora {role} está pidiendo {thing}.
ru | {role} просит {thing}. | Сейчас {role} просит {thing}.
ar | {role} يطلب {thing}. | الآن {role} يطلب {thing}.
zh | {role}请求提供{thing}。 | 现在{role}请求提供{thing}。
ko | {role} {thing} 요청합니다. | 지금 {role} {thing} 요청하고 있습니다.
""")

BASE_QUERIES = _templates("""
en | footage of the {kind} in {place} | the {kind} that happened in {place} | {place} {kind} video
es | grabaciones de {kind} en {place} | qué pasó: {kind} en {place} | video {kind} {place}
ru | съёмки: {kind} в городе {place} | что произошло: {kind}, {place} | видео {kind} {place}
ar | لقطات {kind} في {place} | ماذا حدث: {kind} في {place} | فيديو {kind} {place}
zh | {place}{kind}的录像 | {place}发生的{kind} | 视频 {place} {kind}
ko | {place}에서 찍은 {kind} 영상 | {place}에서 있었던 {kind} | 동영상 {place} {kind}
""")

SCENE_QUERIES = _templates("""
en | a {colour} {object} beside a {landmark} | a {landmark} and a {colour} {object}
es | {object} de color {colour} junto a {landmark} | {landmark} y {object} de color {colour}
ru | {object} {colour} цвета, рядом {landmark} | {landmark} и {object} {colour} цвета
ar | {object} باللون {colour} بجانب {landmark} | {landmark} و{object} باللون {colour}
zh | {colour}的{object}，旁边有{landmark} | {landmark}和{colour}的{object}
ko | {landmark} 옆에 있는 {colour} {object} | {landmark} 그리고 {colour} {object}
""")

SCENES_HEARD = _templates("""
en | a {colour} {object} beside a {landmark}, with the sound of {sound}
es | {object} de color {colour} junto a {landmark}, con sonido de {sound}
ru | {object} {colour} цвета, рядом {landmark}, звук: {sound}
ar | {object} باللون {colour} بجانب {landmark} مع صوت {sound}
zh | {colour}的{object}，旁边有{landmark}，伴有{sound}的声音
ko | {landmark} 옆에 있는 {colour} {object}, {sound} 소리
""")

SOUND_TEXTS = _templates("""
en | the sound of {sound} | {sound} can be heard
es | sonido de {sound} | se oye {sound}
ru | звук: {sound} | на записи слышно: {sound}
ar | صوت {sound} | يسمع صوت {sound}
zh | {sound}的声音 | 可以听到{sound}
ko | {sound} 소리 | {sound} 소리가 들린다
""")

SPEECH_QUERIES = _templates("""
en | the {role} asks for {thing} | someone says the {role} is asking for {thing} | {role} wants {thing}
es | {role} pide {thing} | alguien dice que {role} pide {thing} | {role} quiere {thing}
ru | {role} просит {thing} | говорят, что {role} просит {thing} | просьба: {role}, {thing}
ar | {role} يطلب {thing} | يقال إن {role} يطلب {thing} | {role} يريد {thing}
zh | {role}请求提供{thing} | 有人说{role}请求{thing} | {role}要{thing}
ko | {role} {thing} 요청한다 | {role} {thing} 요청한다는 말 | {role} {thing} 원한다
""")

OCR_QUERIES = _templates("""
en | a sign that says {sign} | the sign {sign} | video in which {sign} is written
es | un letrero que dice {sign} | el letrero {sign} | video en el que está escrito {sign}
ru | вывеска с надписью {sign} | вывеска {sign} | видео, где написано {sign}
ar | لافتة مكتوب عليها {sign} | اللافتة {sign} | فيديو كتب فيه {sign}
zh | 写着 {sign} 的牌子 | 牌子 {sign} | 出现 {sign} 字样的视频
ko | {sign} 라고 적힌 표지판 | 표지판 {sign} | {sign} 라고 쓰인 영상
""")
