"""What a statement says of its speaker for good, by its words: in English and in the other main languages.

A fact takes the place of an earlier one of its slot, so what is read as a fact and is none destroys one that is true:
to recognise too few is better. A name has a capital where its script has them.
"""

from __future__ import annotations

import re
from typing import Final

_LOWER: Final = "".join(filter(str.islower, map(chr, range(0x590))))
_CAPITAL: Final = rf"(?-i:[^\W\d_{_LOWER}])"  # or a letter of a script that has none
_NO_NAME: Final = "(?:mon|tues|wednes|thurs|fri|satur|sun)day|tomorrow|today|dr|mrs?|ms|prof"
_NAME: Final = (
    rf"(?P<value>(?!(?:{_NO_NAME})\b){_CAPITAL}[\w'’-]*"
    rf"(?: (?:(?:v[ao]n|de[rnl]?|d[aiou]s?|la|bin) )*{_CAPITAL}[\w'’-]*)*)"
    r"(?: (?:from now on|now|please|instead|by the way|ab jetzt|jetzt|bitte|übrigens))?"
)
_PEOPLE: Final = (  # what somebody is with a capital, without being called so
    "american|arab|argentinian|asian|australian|austrian|belgian|brazilian|british|buddhist|canadian|catholic|chinese|"
    "christian|danish|dutch|egyptian|english|european|finnish|french|german|greek|hindu|hungarian|indian|iranian|irish|"
    "israeli|italian|japanese|jewish|korean|mexican|muslim|norwegian|polish|portuguese|russian|scottish|spanish|swedish|"
    "swiss|syrian|turkish|ukrainian|vietnamese|welsh"
)
_VALUE: Final = r"(?P<value>[^,.;!?\n。！？，]{2,80}?)"
_AND: Final = (  # with what follows these, a statement says something else
    "and|but|because|so|now|since|though|which|where|with|who|whose|whom|that|when|while|und|aber|weil|(?-i:mit)|"
    "et|mais|parce|car|avec|qui|que|y|pero|porque|con|e|ma|perché|che|mas|com|en|maar|omdat|и|но|с"
)
_END: Final = rf"(?=\s*(?:[,.;!?\n。！？，]|\b(?:{_AND})\b|$))"
_BEGIN: Final = (
    r"^\W*(?:(?:hi|hello|hey|so|ok|okay|oh|and|but|please|just|you can|my friends|everybody|everyone|people)\W+)*"
)
_NEAR: Final = "wife|husband|partner|son|daughter|dog|cat|boss|manager|company|project|team"
# Those near to somebody, by the words of a language: the fact has the same slot in all of them.
_NEAR_ELSEWHERE: Final = {
    "wife": "Frau|femme|esposa|mujer|moglie|vrouw",
    "husband": "Mann|mari|esposo|marido|marito|man",
    "son": "Sohn|fils|hijo|figlio|filho|zoon",
    "daughter": "Tochter|fille|hija|figlia|filha|dochter",
    "dog": "Hund|chien|perro|cane|cachorro|hond",
    "cat": "Katze|chat|chatte|gato|gata|gatto|gatta|kat",
    "boss": "Chefin|Chef|patron|jefe|jefa|capo|chefe|baas",
}
_MY: Final = "mein|meine|mon|ma|mi|il mio|la mia|mio|mia|o meu|a minha|meu|minha|mijn"
_CALLED: Final = "heißt|s'appelle|se llama|si chiama|se chama|heet"
_IS: Final = "est|es|è|é"  # and a name; not where nouns have capitals too
_HOURS: Final = (  # when, how and what for somebody works, and not where or as what
    r"(?:the |an? )?(?:nights?|home|weekends?|mornings?|evenings?|afternoons?|moment|least|living|fun|free|money|"
    r"hours?|days?|shifts?|pairs?|silence|peace|hurry|garden|kitchen|bed|first|once|last|\d+)\b"
)
_AWAY: Final = r"(?:not|no|on|off|out|gone|back|about|always|never)\b"  # how it fares, and not what it is
_NO_PLACE: Final = (  # what else somebody moves to, and is written with a capital
    "linux|ubuntu|debian|fedora|windows|mac|macos|android|ios|python|rust|go|java|javascript|kotlin|swift|ruby|"
    r"scala|typescript|react|vue|angular|svelte|django|postgres\w*|mysql|mongo\w*|redis|kubernetes|docker|podman|"
    r"git\w*|bitbucket|jenkins|aws|azure|gcp|google|amazon|microsoft|firefox|chrome|safari|vim|neovim|emacs|"
    r"vs ?code|slack|teams|discord|zoom|notion|obsidian|jira|linear|openai|anthropic|claude|gemini|chatgpt|gpt\w*|"
    "sales|marketing|engineering|product|management|finance|hr|plan|phase|step|chapter|level|part|version"
)
_MONTHS: Final = "january|february|march|april|may|june|july|august|september|october|november|december"
_MANNER: Final = (
    r"(?:un|une|una|uno|uma|d[ée]tails?|detalles?|detalhes?|dettaglio|bref|breve|resum[eo]n?|prose|prosa|vers[oi]?)\b"
)

# A slot, and how its fact is said; `{}` in a slot is what the group `of` says.
FACTS: Final = tuple(
    (slot, re.compile(pattern + _END, re.IGNORECASE))
    for slot, pattern in (
        ("name", rf"(?:\bmy name is|{_BEGIN}(?:calls? me|i go by)) {_NAME}"),
        ("name", (r"(?:\b(?:ich heiße|mein name ist|je m['’]appelle|mon nom est)"
         rf"|{_BEGIN}(?:nenn mich|appelle[- ]moi)) {_NAME}")),
        ("name", (r"(?:\b(?:me llamo|mi nombre es|mi chiamo|il mio nome è|me chamo|meu nome é)"
         rf"|{_BEGIN}(?:llámame|chiamami)) {_NAME}")),
        ("name", (r"(?:\b(?:ik heet|mijn naam is|nazywam się|mam na imię|меня зовут|моё имя|мое имя|benim adım)"
         rf"|{_BEGIN}noem me) {_NAME}")),
        ("name", rf"(?:我叫(?![了他她它你您])|我的名字是|私の名前は|僕の名前は){_VALUE}"),
        ("home", rf"\bi (?:(?:now|currently) )?(?:live|reside) (?:(?:now|currently) )?(?:in|at|near) {_VALUE}"),
        ("home", rf"\bi(?:['’]m| am) (?:(?:now|currently) )?(?:living|based) (?:in|at|near) {_VALUE}"),
        ("home", (r"\bi(?:['’]ve| have)? (?:(?:now|just|recently) )?moved to "
         rf"(?={_CAPITAL})(?!(?:{_NO_PLACE})\b){_VALUE}")),
        ("home", rf"\bich (?:wohne|lebe)(?: jetzt| nun| seit \S+)? (?:in|bei|auf|an) {_VALUE}"),
        ("home", (r"\b(?:j['’](?:habite|ai déménagé)|je (?:vis|habite))(?: maintenant)? (?:à|a|au|en|dans|près de) "
         + _VALUE)),
        ("home", rf"\b(?:vivo|resido|me mudé)(?: ahora)? (?:en|a) {_VALUE}"),
        ("home", rf"\b(?:abito|mi sono trasferit[oa])(?: ora)? (?:a|in) {_VALUE}"),
        ("home", rf"\b(?:moro|me mudei)(?: agora)? (?:em|para) {_VALUE}"),
        ("home", rf"\b(?:ik woon(?: nu)? in|mieszkam (?:teraz )?w|я (?:сейчас )?живу в) {_VALUE}"),
        ("home", rf"我(?:现在)?住在{_VALUE}"),
        ("work", rf"\bi (?:now )?work (?:as |(?:at|for|in) (?!{_HOURS})){_VALUE}"),
        ("work", rf"\bich arbeite (?:jetzt )?(?:als|bei|für|in) {_VALUE}"),
        ("work", rf"\bje travaille (?:maintenant )?(?:comme|chez|pour|dans|à) {_VALUE}"),
        ("work", (r"\b(?:trabajo (?:ahora )?(?:como|en|para)|lavoro (?:ora )?(?:come|da|per|in|a)) " + _VALUE)),
        ("work", rf"\btrabalho (?:agora )?(?:como|na|no|em|para) {_VALUE}"),
        ("work", rf"\b(?:ik werk (?:nu )?(?:als|bij|voor|in)|pracuję (?:jako|w)|я работаю) {_VALUE}"),
        ("job", rf"\b(?:my job is|i(?:['’]m| am) (?:employed as|working as)) {_VALUE}"),
        ("age", rf"\bi(?:['’]m| am) (?=\d{{1,3}} years old){_VALUE}"),
        ("age", rf"\b(?:ich bin|j['’]ai|tengo|ho|tenho) (?=\d{{1,3}} (?:jahre|ans|años|anni|anos)\b){_VALUE}"),
        ("birthday", rf"\bmy birthday is(?: (?:on|in))? (?=[^,.;!?]*(?:\d|\b(?:{_MONTHS})\b)){_VALUE}"),
        ("birthday", (r"\b(?:mein geburtstag ist(?: am)?|mon anniversaire est(?: le)?|mi cumpleaños es(?: el)?"
         r"|il mio compleanno è(?: il)?|meu aniversário é(?: em)?|mijn verjaardag is(?: op)?) (?=[^,;!?]*\d)"
         r"(?P<value>[^,;!?\n]{2,80}?)")),
        ("language", rf"\balways (?:answer|reply|write|respond)(?: to)?(?: me)? in {_NAME}"),
        ("language", rf"\b(?:antworte (?:mir )?(?:immer|nur) auf|antwoord altijd in) {_NAME}"),
        ("language", (r"\b(?:réponds(?:-moi)? toujours|responde siempre|rispondi(?:mi)? sempre|responda sempre)"
         rf" (?:en|in|em) (?!{_MANNER})(?P<value>[^\W\d_]+)")),
        ("favourite {}", (r"\bmy (?:favou?rite|preferred) (?P<of>\w+(?: \w+)?) (?:is|are) (?:now )?"
         rf"(?!{_AWAY}){_VALUE}")),
        ("favourite {}", rf"\bmeine? lieblings(?P<of>\w+) (?:ist|sind) (?:jetzt )?{_VALUE}"),
        ("favourite {}", rf"\bm(?:on|a|es) (?P<of>\w+) préférée?s? (?:est|sont) (?:maintenant )?{_VALUE}"),
        ("favourite {}", rf"\bmis? (?P<of>\w+) favorit[oa]s? (?:es|son) (?:ahora )?{_VALUE}"),
        ("favourite {}", rf"\b(?:il mio|la mia) (?P<of>\w+) preferit[oa] è (?:ora )?{_VALUE}"),
        ("favourite {}", rf"\b(?:o meu|a minha|meu|minha) (?P<of>\w+) (?:favorit|preferid)[oa] é (?:agora )?{_VALUE}"),
        ("{}", rf"\bmy (?P<of>{_NEAR})(?: is (?:called|named)|['’]s name is) {_VALUE}"),
        ("{}", rf"\bmy (?P<of>{_NEAR}) is (?!(?:{_PEOPLE})\b){_NAME}"),
        *((slot, rf"\b(?:{_MY}) (?:{words}) (?:(?:{_CALLED}) {_VALUE}|(?:{_IS}) {_NAME.replace('value', 'name')})")
          for slot, words in _NEAR_ELSEWHERE.items()),
    )
)  # fmt: skip
