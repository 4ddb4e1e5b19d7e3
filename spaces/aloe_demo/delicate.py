"""Messages that no model is asked: somebody may be in distress, or somebody insults. Found by words, in the languages below."""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

_AT_ALL = r"(?= *$| *[.!,;?]| any| like this| living| with (?:this|my life|life)| and| much| without)"
# Neither accents nor the kind of apostrophe matter. In doubt a kind notice: what it costs to show one to somebody who did not
# mean it is little.
_DISTRESS = {
    "English: death by one's own hand": (
        r"suicid|\b(?:kms|kys|unaliv\w*)\b|\bkill(?:ing)? (?:my|our|him|her|them|your)sel",
        r"\bend(?:ing)? (?:myself|my (?:own )?life|it all)\b",
        r"\btak(?:e|ing) my (?:own )?life\b",
        r"\b(?:want|wanna|going to|gonna|plan|ready|decided|time) (?:to )?end (?:it|everything)\b(?! with)",
        r"\b(?:hang|shoot|drown|poison)(?:ing)? myself|\b(?:slit|cut)(?:ting)? my (?:wrist|arm|vein)|overdos",
        r"\bjump(?:ing)? (?:off|from|in front of|out of|under) (?:an? |the |my |this )?(?:\w+ )?(?:bridge|roof"
        r"|building|balcony|window|cliff|train)",
        r"\bthrow(?:ing)? myself (?:off|from|in front|under|out)",
        r"\b(?:took|take|taken|taking|swallow\w*) (?:too many|all (?:of )?(?:my|the)|a (?:whole )?(?:bottle|box) "
        r"of)(?: \w+)? ?(?:pills?|tablets|meds|medic)",
    ),
    "English: no wish to live": (
        r"\b(?:wants?|wanna|going|gonna|plan|wish|ready|like|prefer|rather|hope) (?:to )?(?:die\b|be dead|disappear)",
        r"\b(?:wish|if) i (?:was|were|had) (?:dead|never born|never been born|not born|gone)|\bbetter off dead",
        r"\bnever wake up",
        r"\b(?:don't|dont|do not|didn't|did not|not|never|no longer) (?:even |really )*(?:want|wanna|wish|like"
        rf"|desire|care|deserve)(?: to)? (?:be alive|wake up(?! (?:early|late|at|before))|exist|go on{_AT_ALL}|be here any ?more"
        r"|live(?! in (?:(?-i:[A-Z])|an? |the (?:city|country))))",
        rf"\bcan(?:'?t|not| not) (?:go on{_AT_ALL}|keep going{_AT_ALL}|(?:do|take|bear) (?:it|this|life|living) "
        r"(?:any|much) ?(?:more|longer)|live (?:like this|any ?more)|cope any ?more)",
        r"\blife(?:'s| is| isn't| has| feels| seems)(?: just| not| no longer)* (?:worth|no meaning|meaningless"
        r"|pointless|unbearable|not worth)",
        r"\b(?:no|not see (?:a|any|the)|don't see (?:a|any|the)) ?(?:thing|reason|point|purpose|sense|will)(?: "
        r"left)? (?:to|in|of|for) (?:live|living|go on|going on|life|exist\w*|being alive)\b",
        r"\bnothing to live for",
        r"\b(?:tired|sick) of (?:living|life|being alive|existing)\b|not worth living|\bmy life is over",
        r"\bbetter off without me\b|\b(?:nobody|no one|no-one) would (?:even )?(?:miss me|(?:notice|care) if i)\b",
        r"better without me\b",
    ),
    "English: harm and despair": (
        r"self[- ]?harm|\b(?:hurt|harm|cut|burn)(?:ing)? myself|\bhat(?:e|ing) (?:myself|my life|being alive)\b",
        r"\bi(?:'m| am| feel| am feeling|'m feeling)(?: (?:so|such|completely|totally|utterly|very|really|just"
        r"|like))* (?:hopeless|worthless|suicidal|a burden|a failure|a waste of)\b(?! (?:at|with|in|when)\b)",
    ),
    "Spanish": (
        r"\bno quiero (?:vivir|seguir|existir|despertar|estar viv)|\bya no (?:quiero vivir|puedo mas|aguanto mas)\b",
        r"(?:sin|no tengo) ganas de vivir|mejor sin mi\b",
        r"quiero (?:morir|matar|desaparecer|acabar con (?:mi vida|todo))|quitarme la vida|matarme|hacerme daño",
        r"mi vida no (?:vale|tiene sentido)",
    ),
    "Portuguese": (
        r"\bnão (?:quero|consigo|aguento) (?:mais )?(?:viver|existir|continuar|acordar|estar viv)",
        r"\bnão aguento mais *(?:$|[.!,])|(?:sem|não tenho) (?:mais )?vontade de viver|melhor sem mim",
        r"quero (?:morrer|desaparecer|sumir|acabar com (?:a )?(?:minha vida|tudo))|me matar|matar-me",
        r"tirar a (?:minha |própria )*vida|me (?:machucar|cortar)\b",
        r"minha vida não (?:vale|tem sentido)",
    ),
    "German": (
        r"selbstmord|suizid|umbringen|bring\w* mich um|lebensmüde|selbst verletz|mir das leben nehmen|nehme mir das leben",
        r"\b(?:will|möchte|mag|wollte|kann) (?:nicht mehr (?:leben|weiterleben|aufwachen|da sein)|sterben|tot sein)",
        r"\bkann nicht mehr *(?:$|[.!,])|besser ohne mich",
    ),
    "French": (
        r"(?:veux|voudrais|vais|envie de|envie d') ?(?:mourir|en finir|me tuer|me pendre|disparaître)|me tuer\b",
        r"plus envie de vivre|veux plus vivre",
        r"mettre fin à (?:mes jours|ma vie)|n'en peux plus *(?:$|[.!,])|mieux sans moi|me faire du mal",
        r"vie n'a (?:plus|aucun) (?:de )?sens",
    ),
    "Italian": (
        r"(?:voglio|vorrei) (?:morire|farla finita|uccidermi|ammazzarmi|sparire)",
        r"non voglio (?:più )?(?:vivere|svegliarmi)|non ce la faccio più *(?:$|[.!,])",
        r"uccidermi|ammazzarmi|togliermi la vita|farmi del male|meglio senza di me",
    ),
    "Dutch, Polish, Turkish": (
        r"zelfmoord|wil (?:niet meer leven|dood)|samobój|chcę umrzeć|nie chcę (?:już )?żyć|intihar|ölmek istiyorum",
        r"yaşamak istemiyorum",
    ),
    "Russian, Ukrainian": (
        r"хочу (?:умереть|сдохнуть)|не хочу (?:больше )?жить|не хочется жить|покончить с|уб(?:ить|ью) себя|самоуб",
        r"суицид|хочу померти|нет смысла жить",
    ),
    "Chinese, Japanese, Korean": (
        r"自杀|自殺|想死(?!你)|不想活|活不下去|活着没|死了算了|轻生|自残|自殘|结束.{0,5}生命|死にたい|消えたい",
        r"生きていたくない|죽고 싶|자살",
    ),
    "Arabic, Hindi": (
        r"انتحار|أنتحر|أقتل نفسي|أريد (?:أن أموت|الموت)|لا أريد (?:أن أعيش|العيش|الحياة)|(?:أنهي|إنهاء) حياتي",
        r"تعبت من الحياة|أؤذي نفسي",
        r"आत्महत्या|मरना चाहत|जीना नहीं चाहत",
    ),
}
_BAD = (
    r"(?:stupid|idiot|dumb|moron|useless|pathetic|worthless|garbage|trash|rubbish|shit|crap|imbecile|retard|bitch|bastard"
    r"|asshole|loser|liar|ugly|disgusting|piece of)\w*"
)
_VERY = r"(?:an? |the |so |such |just |all |really |very |totally |completely |fucking |bloody |nothing but |most )*"
_INSULT = (
    r"(?:^|[.!?,;:]\s*|\b(?:think|thought|because|that|and|but|hey|wow|oh|man|god|well|ok|no|lol)\s)(?:you"
    rf"|u)(?:'re| are| r|re)? ?{_VERY}{_BAD}\b(?! cake| of cake)",
    rf"^(?:hey |oh )?(?:you |what a |such an? ){_VERY}{_BAD}",
    r"^(?:stupid|idiot|moron|dumb\w*|asshole)(?: (?:bot|machine|model|ai|thing|robot))?[.! ]*$",
    rf"^(?:this|that|it)(?:'s| is) (?:an? ){_VERY}(?:stupid|dumb|useless|shitty) (?:bot|machine|model|ai|robot)\b",
    r"\bi (?:really |fucking )*(?:hate|despise) you\b *(?:$|[.!,])|\bfuck (?:you|off|u)\b|\bscrew you\b",
    r"^shut (?:the \w+ )?up\b|\bgo to hell\b|\byou suck\b",
    r"\beres (?:una? )?(?:idiota|estúpid|inútil|tont|imbécil)|vete a la mierda|hijo de puta",
    r"\bvocê é (?:uma? )?(?:idiota|burr|estúpid|inútil)|vai (?:se foder|à merda)",
    r"\bdu bist (?:so |ein |eine |echt )*(?:idiot|dumm|blöd|nutzlos|scheiß|arsch)|leck mich",
    r"\btu es (?:une? |trop )*(?:idiot|conn?\b|conne|stupide|nul)|ta gueule|va te faire",
    r"\bsei (?:un |una |un')?(?:idiota|stupid|inutile|cretin)|vaffanculo|ты (?:идиот|дура|туп)|иди на ?х",
    r"你(?:是|真是|个|这个|真)*(?:白痴|笨蛋|傻|蠢|垃圾)|(?:أنت|انت) (?:غبي|أحمق)",
)


def delicate(text: str) -> Literal["distress", "insult"] | None:
    """
    >>> delicate("I can’t go on"), delicate("you are a stupid idiot"), delicate("I can't go on holiday")
    ('distress', 'insult', None)
    """
    plain = _folded(text)
    return "distress" if _DISTRESSED.search(plain) else "insult" if _INSULTING.search(plain) else None


def _folded(text: str) -> str:
    """Without accents and what cannot be seen, each blank one blank."""
    letters = unicodedata.normalize("NFD", text.replace("’", "'"))
    return " ".join("".join(letter for letter in letters if unicodedata.category(letter) not in ("Mn", "Cf")).split())


_DISTRESSED = re.compile(_folded("|".join(one for patterns in _DISTRESS.values() for one in patterns)), re.IGNORECASE)
_INSULTING = re.compile(_folded("|".join(_INSULT)), re.IGNORECASE)
