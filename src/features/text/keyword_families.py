"""Words that give a product's shelf away, in the catalogue's languages.

Folded to lower-case ASCII; whole words only, so "biographie" is not organic and "couleur" is no
currency. Plurals are listed where they are used.
"""


def _words(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


KEYWORD_FAMILIES: dict[str, frozenset[str]] = {
    "platform": _words(
        """ps1 ps2 ps3 ps4 ps5 psp vita playstation xbox nintendo wii wiiu switch 3ds 2ds ds dsi
        gameboy gamecube n64 nes snes sega megadrive dreamcast atari commodore amiga neogeo"""
    ),
    "book": _words(
        """livre livres roman romans tome tomes edition editions editeur auteur broche relie poche
        isbn pages chapitre recueil poesie conte contes encyclopedie dictionnaire manuel revue
        magazine journal manga mangas bd comics book books novel paperback hardcover author buch
        bucher taschenbuch libro libri libros boek boeken"""
    ),
    "baby": _words(
        """bebe bebes nourrisson nourrissons naissance biberon biberons tetine tetines poussette
        poussettes couche couches bavoir bavoirs allaitement maternite grossesse puericulture
        berceau gigoteuse doudou hochet landau baby babies newborn infant toddler stroller diaper
        saugling kinderwagen neonato neonati"""
    ),
    "toy": _words(
        """jouet jouets peluche peluches poupee poupees figurine figurines lego playmobil barbie
        toupie maquette hochet jeu jeux toy toys doll dolls plush spielzeug puppe kuscheltier
        giocattolo giocattoli juguete juguetes muneca speelgoed knuffel"""
    ),
    "garden": _words(
        """jardin jardins jardinage jardiniere pelouse gazon tondeuse arrosage arrosoir plante
        plantes graine graines semis fleur fleurs serre potager terrasse parasol barbecue tonnelle
        hamac piscine piscines spa bache garden lawn greenhouse outdoor garten rasen giardino
        jardineria tuin"""
    ),
    "food": _words(
        """bio biologique chocolat cafe the tisane vin biere bonbon bonbons biscuit biscuits epice
        epices sauce huile vinaigre miel confiture sucre sel poivre farine pates riz conserve
        sirop fromage saveur gout ingredients nutritionnelles calories aliment alimentaire
        organic chocolate coffee tea wine sugar"""
    ),
    "lot": _words(
        """lot lots pack packs set sets ensemble assortiment paquet kit coffret bundle pcs pieces
        piece stuck stuks pezzi piezas"""
    ),
    "gaming": _words(
        """gamer gamers gaming manette manettes joystick joypad console consoles jeuvideo gamepad
        controller gameplay multijoueur multiplayer joueur joueurs rpg fps mmorpg pegi videogame
        steam dlc warhammer magic pokemon yugioh"""
    ),
    "streaming": _words(
        """dvd bluray vod netflix streaming film films serie series saison saisons cd vinyle vinyl
        album bande soundtrack telechargement download demat dematerialise"""
    ),
    "puzzle": _words(
        """puzzle puzzles jigsaw ravensburger clementoni rubik rubiks tangram encastrement
        rompecabezas puzzel"""
    ),
}
