"""Language codes of media files to BCP 47 tags, and what a player's menu calls them. Pure."""

from collections.abc import Collection
from typing import Final

_CODES: Final = """
ara=ar ben=bn bul=bg cat=ca ces=cs cze=cs dan=da deu=de ger=de ell=el gre=el eng=en est=et fas=fa per=fa fin=fi fra=fr
fre=fr heb=he hin=hi hrv=hr hun=hu ind=id isl=is ice=is ita=it jpn=ja kor=ko lav=lv lit=lt msa=ms may=ms nld=nl dut=nl
nor=no pol=pl por=pt ron=ro rum=ro rus=ru slk=sk slo=sk slv=sl spa=es srp=sr swe=sv tam=ta tel=te tha=th tur=tr ukr=uk
urd=ur vie=vi zho=zh chi=zh
"""
TWO_LETTERS: Final[dict[str, str]] = dict(pair.split("=") for pair in _CODES.split())
"""ISO 639-2 codes, as media files have them, whose BCP 47 tag is the two-letter code (RFC 5646 section 2.2.1)."""
_NAMES: Final = """
ar=العربية bn=বাংলা bg=Български ca=Català cs=Čeština da=Dansk de=Deutsch el=Ελληνικά en=English et=Eesti fa=فارسی fi=Suomi
fr=Français he=עברית hi=हिन्दी hr=Hrvatski hu=Magyar id=Indonesia is=Íslenska it=Italiano ja=日本語 ko=한국어 lv=Latviešu
lt=Lietuvių ms=Melayu nl=Nederlands no=Norsk pl=Polski pt=Português ro=Română ru=Русский sk=Slovenčina sl=Slovenščina
es=Español sr=Српски sv=Svenska ta=தமிழ் te=తెలుగు th=ไทย tr=Türkçe uk=Українська ur=اردو vi=Tiếng·Việt zh=中文
"""
NAMES: Final[dict[str, str]] = {
    code: name.replace("·", " ") for code, name in (pair.split("=") for pair in _NAMES.split())
}
"""What languages call themselves (Unicode CLDR)."""


def tag(language: str | None) -> str | None:
    """The BCP 47 tag of a file's language code; None when the file says none."""
    return TWO_LETTERS.get(language.lower(), language) if language else None


def name_of(language: str | None) -> str | None:
    """What the language of a tag calls itself: Deutsch, Português (pt-BR); the tag where it is not known."""
    if language is None:
        return None
    primary, _, rest = language.partition("-")
    name = NAMES.get(primary.lower())
    return language if name is None else f"{name} ({language})" if rest else name


def speaks(language: str | None, wished: str) -> bool:
    """Whether a track of that language is in the wished one: en takes en-US, not the other way round (RFC 4647)."""
    spoken, asked = (tag(language) or "").lower(), (tag(wished) or "").lower()
    return spoken == asked or spoken.startswith(f"{asked}-")


def unique(name: str, taken: Collection[str], form: str = "{}-{}") -> str:
    """The name, or the name with the first number from 2 on that is not taken; case does not tell names apart."""
    known = {other.lower() for other in taken}
    if name.lower() not in known:
        return name
    return next(made for number in range(2, len(known) + 3) if (made := form.format(name, number)).lower() not in known)
